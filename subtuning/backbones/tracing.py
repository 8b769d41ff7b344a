"""A network's graph (`torch.fx`) that holds in training and evaluation alike and writes nothing in place.

What the modes do differently in timm's models is chance: dropout, stochastic depth and shifted coordinates of rotary
embeddings. They are off here, as in the published implementation; what is left is the same path, which is checked.
BatchNorm stays one node, since its mode is switched later. Without in-place operations no lane can change an activation
that other lanes share (tracing itself turns `x += y` into `x = x + y`).
"""

import inspect
from typing import Any

from timm.layers import get_notrace_functions, get_notrace_modules
from torch import Tensor, fx, nn

from subtuning.errors import UserError


def trace(model: nn.Module) -> fx.Graph:
    """The graph from images, N x 3 x H x W, to features, N x D; the model is in eval mode after it.

    Raises:
        UserError: the model cannot be traced, or takes another path in training than in evaluation.
    """
    _make_deterministic(model)
    graph, in_training = _traced(model.eval()), _traced(model.train())
    model.eval()
    if _steps(graph) != _steps(in_training):
        raise UserError(
            f"model {type(model).__name__} takes another path in training than in evaluation; choose another model"
        )
    for node in graph.nodes:
        if node.kwargs.get("inplace"):
            node.update_kwarg("inplace", False)
    return graph


def features_of(output: Tensor) -> Tensor:
    """N x D features of what a model gives: encoders without a pooling give tokens N x T x D or a map N x D x H x W,
    of which the mean is taken, as timm does by default."""
    return output.mean(1) if output.ndim == 3 else output.mean((2, 3)) if output.ndim == 4 else output


def _make_deterministic(model: nn.Module) -> None:
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for rate in ("drop_prob", "drop_rate"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)
        if getattr(module, "aug_active", False):  # timm.layers.pos_embed_sincos
            module.aug_active = False
        if hasattr(module, "_assert_raw_img_conformant"):  # Gemma 4 asks for the image size; its pooler does when run
            module._assert_raw_img_conformant = lambda images: None


def _steps(graph: fx.Graph) -> list[tuple[Any, ...]]:
    """What the nodes do, whatever their names: these count what was traced in vain as well."""
    number = {node: f"%{index}" for index, node in enumerate(graph.nodes)}
    plain = [fx.node.map_arg((node.args, node.kwargs), number.__getitem__) for node in graph.nodes]
    return [
        (node.op, "constant" if "_tensor_constant" in str(node.target) else str(node.target), str(arguments))
        for node, arguments in zip(graph.nodes, plain, strict=True)
    ]


_ASKING = {"Gemma4PatchEmbed", "Gemma4RotaryEmbedding2D", "Gemma4VisionPooler"}
"""Modules of Gemma 4 (timm/models/gemma4_vit.py) that ask about shapes and stay whole; no two layers share one."""


class _Images(fx.Proxy):
    """Stands for the images while a model is traced, of which some ask how many dimensions they have."""

    ndim = 4


class _Tracer(fx.Tracer):
    leaves = (*get_notrace_modules(), nn.modules.batchnorm._BatchNorm)

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        known = isinstance(module, self.leaves) or type(module).__name__ in _ASKING
        return known or super().is_leaf_module(module, path)

    def call_module(self, module: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        result = super().call_module(module, forward, args, kwargs)
        packed = type(module).__name__ == "Gemma4PatchEmbed"  # whole images have no padding, which is None
        return (result[0], result[1], None) if packed else result

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Images(node, self) if node.op == "placeholder" else super().proxy(node)


def _traced(model: nn.Module) -> fx.Graph:
    tracer = _Tracer(autowrap_functions=tuple(get_notrace_functions()))
    _, *options = inspect.signature(model.forward).parameters.values()  # e.g. attn_mask=None: fixed at its default
    try:
        graph = tracer.trace(model, {option.name: option.default for option in options})
    except Exception as error:  # fx raises whatever the model's own code raises on a proxy
        raise UserError(
            f"model {type(model).__name__} cannot be cut into layers, since torch.fx cannot trace it ({error}); choose "
            "another model"
        ) from None
    output = next(node for node in reversed(graph.nodes) if node.op == "output")
    with graph.inserting_before(output):
        output.args = (graph.call_function(features_of, output.args),)
    graph = fx.GraphModule(model, graph).graph
    graph.eliminate_dead_code()
    for node in [node for node in graph.nodes if node.op == "placeholder"][1:]:
        _erase(graph, node)  # its users are only fx's own checks that the option still has its default
    return graph


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)
