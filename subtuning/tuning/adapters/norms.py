"""The norm layers are trained: scale and shift, and the statistics of BatchNorm.

Frankle et al., arXiv 2003.00152 (BatchNorm only); Zhao et al., arXiv 2312.11420 (LayerNorm only).
"""

from torch import nn

from subtuning.tuning.adapters import Adapted, Tensors, part, tensors_of


def chosen(tensors: Tensors) -> list[str]:
    """The vectors called `weight`, which only norms have in timm's models, and the `bias` beside each."""
    norms = {name.rpartition(".")[0] for name, shape in tensors.items() if name.endswith(".weight") and len(shape) == 1}
    return [name for name in tensors if name.rpartition(".")[0] in norms and name.endswith((".weight", ".bias"))]


def adapt(layer: nn.Module) -> Adapted:
    """The layer as it is; its BatchNorms are what is trained, so they train whole, statistics too, as in 2003.00152."""
    return part(layer, chosen(tensors_of(layer)), trains_batchnorm=True)


def merge(layer: nn.Module) -> nn.Module:
    """The layer: its weights are plain."""
    return layer
