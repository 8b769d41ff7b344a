"""Cutting a network into segments, one a layer, so that a run can start at any layer from shared activations.

The traced graph (`torch.fx`) is split where a layer begins; values that a later segment needs are passed on by name, so
skip connections across segments (DenseNet's lists, a shared position bias) are no special case.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from timm.layers import get_notrace_functions, get_notrace_modules
from torch import fx, nn

from subtuning.backbones.groups import block_of_parameters
from subtuning.errors import UserError

STEM, TAIL = "stem", "tail"


@dataclass(frozen=True)
class Segment:
    """One layer's part of the network.

    Attributes:
        name: the layer's name, `stem` or `tail`.
        module: maps the values named in `inputs` to a tuple of those named in `outputs`. Its parameters and buffers
            keep the names they have in the whole model, and are the whole model's own until copied.
        parameters: names of the model's parameters that belong to this layer.
    """

    name: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]


def run_segments(segments: Iterable[Segment], values: dict) -> dict:
    """Run segments in order on named values and return all values that exist then (the input's included)."""
    values = dict(values)
    for segment in segments:
        values.update(zip(segment.outputs, segment.module(*(values[name] for name in segment.inputs)), strict=True))
    return values


def split_model(model: nn.Module, granularity: str = "layer") -> list[Segment]:
    """Split a timm model without classifier into stem, layers in the order in which they run, and tail.

    The last segment's single output is the feature matrix, N x D. Every parameter belongs to exactly one segment.

    Raises:
        UserError: the model cannot be traced, or its layers do not form a chain.
    """
    blocks = block_of_parameters(model, granularity)
    graph = _trace(model)
    owner = _Owners(model, blocks)
    order = _order_of_blocks(graph, owner)
    ranks = {STEM: 0, **{name: rank for rank, name in enumerate(order, start=1)}, TAIL: len(order) + 1}
    rank_of, owner_of = _assign(graph, owner, ranks)
    names = list(ranks)
    for name, _ in model.named_parameters():  # parameters that forward never uses stay with their block, else the tail
        owner_of.setdefault(name, blocks.get(name, TAIL))
    segments = []
    for rank, name in enumerate(names):
        nodes = [node for node in graph.nodes if rank_of.get(node) == rank]
        belonging = tuple(p for p, _ in model.named_parameters() if owner_of[p] == name)
        if nodes:
            segments.append(_segment(model, graph, nodes, rank_of, rank, name, belonging))
        elif belonging and name == TAIL:  # parameters that are never used, behind a network without tail
            segments[-1] = replace(segments[-1], parameters=segments[-1].parameters + belonging)
        elif belonging:
            raise UserError(f"layer {name!r} of {type(model).__name__} takes no part in the model's forward pass")
    _check_apart(model, segments)
    return segments


def _check_apart(model: nn.Module, segments: Iterable[Segment]) -> None:
    """A parameter that two layers use (CoaT's position encodings) would be trained as two copies that drift apart."""
    for segment in segments:
        if foreign := {name for name, _ in segment.module.named_parameters()} - set(segment.parameters):
            raise UserError(
                f"layer {segment.name!r} of {type(model).__name__} shares {min(foreign)} with another layer, so they "
                "cannot be trained apart; try granularity: stage, or choose another model"
            )


def _trace(model: nn.Module) -> fx.Graph:
    """The graph of a forward pass that holds in train and eval mode alike and writes nothing in place.

    BatchNorm stays one node, since its mode is switched later. Without in-place operations no lane can change an
    activation that other lanes share (tracing itself turns `x += y` into `x = x + y`).
    """
    _make_deterministic(model)
    graph, in_training = _traced(model.eval()), _traced(model.train())
    model.eval()
    if _shape_of(graph) != _shape_of(in_training):
        raise UserError(
            f"model {type(model).__name__} takes another path in training than in evaluation; choose another model"
        )
    for node in graph.nodes:
        if node.kwargs.get("inplace"):
            node.update_kwarg("inplace", False)
    return graph


def _make_deterministic(model: nn.Module) -> None:
    """No dropout, no stochastic depth (some timm models have it by default; the paper does not), nothing in place."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for rate in ("drop_prob", "drop_rate"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)


def _shape_of(graph: fx.Graph) -> list[str]:
    return [re.sub(r"_tensor_constant\d+", "constant", node.format_node() or "") for node in graph.nodes]


def _traced(model: nn.Module) -> fx.Graph:
    untraceable = (*get_notrace_modules(), nn.modules.batchnorm._BatchNorm)

    class Tracer(fx.Tracer):
        def is_leaf_module(self, module: nn.Module, path: str) -> bool:
            return isinstance(module, untraceable) or super().is_leaf_module(module, path)

    tracer = Tracer(autowrap_functions=tuple(get_notrace_functions()))
    options = list(inspect.signature(model.forward).parameters.values())[
        1:
    ]  # e.g. attn_mask=None: fixed at its default
    try:
        graph = tracer.trace(model, {option.name: option.default for option in options})
    except Exception as error:  # fx raises whatever the model's own code raises on a proxy
        raise UserError(
            f"model {type(model).__name__} cannot be cut into layers, since torch.fx cannot trace it ({error}); choose "
            "another model"
        ) from None
    graph = fx.GraphModule(model, graph).graph
    graph.eliminate_dead_code()
    for node in [node for node in graph.nodes if node.op == "placeholder"][1:]:
        _erase(graph, node)  # its users are only fx's own checks that the option still has its default
    return graph


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)


class _Owners:
    """Which block a graph node works for, by the parameters that it holds."""

    def __init__(self, model: nn.Module, blocks: dict[str, str]):
        self.model, self.blocks = model, blocks

    def parameters(self, node: fx.Node) -> list[str]:
        if node.op == "get_attr":
            return [node.target] if isinstance(_attribute(self.model, node.target), nn.Parameter) else []
        if node.op == "call_module":
            inside = self.model.get_submodule(node.target).named_parameters()
            return [f"{node.target}.{name}" for name, _ in inside]
        return []

    def block(self, node: fx.Node) -> str | None:
        found = {self.blocks.get(name) for name in self.parameters(node)} - {None}
        if len(found) > 1:
            raise UserError(
                f"{node.target} of {type(self.model).__name__} holds parameters of several layers: {sorted(found)}"
            )
        return found.pop() if found else None


def _attribute(model: nn.Module, path: str):
    value = model
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _order_of_blocks(graph: fx.Graph, owner: _Owners) -> list[str]:
    order = []
    for node in graph.nodes:
        block = owner.block(node)
        if block is not None and block not in order:
            order.append(block)
    return order


def _assign(graph: fx.Graph, owner: _Owners, ranks: dict[str, int]) -> tuple[dict[fx.Node, int], dict[str, str]]:
    """Give each node the rank of its segment, and each used parameter the name of its layer.

    A node of a block goes to that block; a node with parameters in no block goes to the stem before the first block, to
    the tail after the last one, and to the block in progress in between; a node without parameters goes where its last
    input is.
    """
    names = list(ranks)
    last_block = max((i for i, n in enumerate(graph.nodes) if owner.block(n) is not None), default=-1)
    rank_of: dict[fx.Node, int] = {}
    owner_of: dict[str, str] = {}
    reached = 0
    for index, node in enumerate(graph.nodes):
        if node.op == "output":
            continue
        from_inputs = max((rank_of[i] for i in node.all_input_nodes), default=0)
        block, held = owner.block(node), owner.parameters(node)
        if block is not None:
            rank = ranks[block]
            reached = max(reached, rank)
        elif held:
            rank = ranks[TAIL] if index > last_block else reached
        else:
            rank = from_inputs
        if from_inputs > rank:
            raise UserError(
                f"the layers of {type(owner.model).__name__} do not form a chain ({node.target} of {names[rank]!r} "
                f"needs {names[from_inputs]!r}); try granularity: stage"
            )
        rank_of[node] = rank
        owner_of.update(dict.fromkeys(held, names[rank]))
    return rank_of, owner_of


def _segment(model, graph, nodes, rank_of, rank, name, parameters) -> Segment:
    inside = set(nodes)
    inputs = _unique(i for node in nodes for i in node.all_input_nodes if i not in inside)
    output = next(node for node in graph.nodes if node.op == "output")
    needed = lambda node: any(user is output or rank_of.get(user, -1) > rank for user in node.users)  # noqa: E731
    outputs = [node for node in nodes if needed(node)]
    piece, copied = fx.Graph(), {}
    if rank == 0:
        inputs = [node for node in nodes if node.op == "placeholder"]
        nodes = [node for node in nodes if node.op != "placeholder"]
        outputs = [node for node in outputs if node.op != "placeholder"]
    for node in inputs:
        copied[node] = piece.placeholder(node.name)
    for node in nodes:
        copied[node] = piece.node_copy(node, lambda old: copied[old])
    piece.output(tuple(copied[node] for node in outputs))
    module = fx.GraphModule(model, piece)
    return Segment(name, module, tuple(n.name for n in inputs), tuple(n.name for n in outputs), parameters)


def _unique(nodes: Iterable[fx.Node]) -> list[fx.Node]:
    return list(dict.fromkeys(nodes))
