"""Each operation's output is scaled and shifted, channel by channel (SSF, Lian et al., arXiv 2210.08823, 3.2)."""

import torch
from torch import Tensor, nn

from subtuning.tuning.adapters import Adapted, Tensors, tensors_of
from subtuning.tuning.merging import reparametrize, with_plain_weights


class Scale(nn.Module):
    """A weight or bias times 1 + `scale`, output by output: what scaling the operation's output makes of it."""

    def __init__(self, outputs: Tensor):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros_like(outputs))

    def forward(self, tensor: Tensor) -> Tensor:
        """As large as `tensor`, whose first dimension is the outputs."""
        return tensor * (1 + self.scale).view(-1, *[1] * (tensor.ndim - 1))


class ScaleAndShift(nn.Module):
    """A bias times 1 + `scale`, the same as the weight's, plus `shift`."""

    def __init__(self, scale: Scale):
        super().__init__()
        self.of_weight = scale
        self.shift = nn.Parameter(torch.zeros_like(scale.scale))

    def forward(self, bias: Tensor) -> Tensor:
        """One number an output."""
        return self.of_weight(bias) + self.shift


def chosen(tensors: Tensors) -> list[str]:
    """The weights of linear layers, convolutions and norms, and the biases beside them."""
    weights = [name for name in tensors if name.rpartition(".")[2] == "weight"]
    return [name for name in tensors if name in weights or _weight_of(name) in weights]


def adapt(layer: nn.Module) -> Adapted:
    """The layer with a factor and a summand for each output of its linear layers, convolutions and norms.

    They act on weight and bias, which gives the same outputs. An operation without a bias is scaled only, so that the
    merged layer has no parameter that the backbone has not; after a convolution without one follows a norm that has.
    Factors are kept as their difference to 1 and begin at 0, as the summands do, so that it begins as the pretrained
    layer and weight decay leads back to it (the authors draw both with a spread of 0.02). BatchNorm keeps its
    pretrained statistics.
    """
    parameters, scales, shifts = dict(layer.named_parameters()), {}, []
    for name in chosen(tensors_of(layer)):
        if name.endswith("weight"):
            outputs = parameters[name].detach().flatten(1)[:, 0] if parameters[name].ndim > 1 else parameters[name]
            scales[name] = Scale(outputs.detach())
    for name in chosen(tensors_of(layer)):
        if name in scales:
            reparametrize(layer, name, scales[name])
        else:
            shifts.append(ScaleAndShift(scales[_weight_of(name)]))
            reparametrize(layer, name, shifts[-1])
    trained = [scale.scale for scale in scales.values()] + [shift.shift for shift in shifts]
    return Adapted(layer, trained, trains_batchnorm=False)


def merge(layer: nn.Module) -> nn.Module:
    """The layer with factors and summands taken into its weights and biases."""
    return with_plain_weights(layer)


def _weight_of(name: str) -> str:
    """The weight beside a bias; nothing for another parameter."""
    path, _, last = name.rpartition(".")
    return f"{path}.weight" if last == "bias" else ""
