"""Blocks by the module tree, where timm's `group_matcher` is missing, stops at stages or leaves a backbone in the stem.

timm keeps blocks in lists (`nn.Sequential`, `nn.ModuleList`) of numbered children, and those of a stage under the name
`blocks`. A numbered child with at least two weight matrices or kernels is a block; one with fewer is a plain layer.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

_LISTS = (nn.Sequential, nn.ModuleList)
_NUMBERED = re.compile(r"\d$")
_BLOCK = re.compile("Block|Bottleneck")


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether it is a weight matrix or a kernel: a norm's or a scale's entries lie along one dimension."""
    return sum(size > 1 for size in parameter.shape) > 1


def blocks_inside(module: nn.Module, path: str) -> list[str]:
    """Paths of the blocks of a stage at `path`, in order; none if it is no list and has no list called `blocks`."""
    if not isinstance(module, _LISTS):
        inner = getattr(module, "blocks", None)
        return blocks_inside(inner, f"{path}.blocks") if isinstance(inner, _LISTS) else []
    found = []
    for name, child in module.named_children():
        if _NUMBERED.search(name):
            here = f"{path}.{name}"
            is_block = not isinstance(child, _LISTS) and sum(map(is_matrix, child.parameters())) > 1
            found += blocks_inside(child, here) or [here] * is_block
    return found


def blocks_below(root: nn.Module, path: str = "") -> dict[str, str]:
    """Map the parameters of every stage in the lists directly below `root`, which is at `path`, to their blocks."""
    found = {}
    for name, child in root.named_children():
        if isinstance(child, _LISTS):
            for number, stage in child.named_children():
                here = ".".join(part for part in (path, name, number) if part)
                # wrapped, so that a stage that is itself one block is found like one that holds several
                wrapped = nn.Sequential()
                wrapped.add_module(number, stage)
                blocks = blocks_inside(wrapped, here.rpartition(".")[0])
                names = [f"{here}.{parameter}" for parameter, _ in stage.named_parameters()]
                found |= shared_out(names, blocks) if blocks else {}
    return found


def shared_out(names: Iterable[str], blocks: Sequence[str]) -> dict[str, str]:
    """Each parameter of a stage and its block: its own, else the block before it, else the first (downsampling)."""
    owners, last = {}, blocks[0]
    for name in names:
        last = next((block for block in blocks if name.startswith(f"{block}.")), last)
        owners[name] = last
    return owners


def stage_of(block: str) -> str:
    """The path of the stage of a block: `stages.1` of `stages.1.blocks.0` and of `stages.1.3`."""
    return re.sub(r"(\.blocks)?\.[^.]*\d$", "", block)


def hold_several(model: nn.Module, layers: Mapping[str, Sequence[str]]) -> list[str]:
    """The layers, of all with their parameters, that are no block themselves and hold at least two of one kind."""
    count = Counter()
    layer_of = {name: layer for layer, names in layers.items() for name in names}
    for path, module in model.named_modules():
        owners = {layer_of.get(f"{path}.{name}") for name, _ in module.named_parameters()} - {None}  # None: shared
        if _NUMBERED.search(path) and _BLOCK.search(type(module).__name__) and len(owners) == 1:
            count[owners.pop(), type(module)] += 1
    modules = dict(model.named_modules())
    several = dict.fromkeys(layer for (layer, _), number in count.items() if number > 1)
    return [layer for layer in several if not _BLOCK.search(type(modules.get(layer)).__name__)]


def undivided_sentence(description: Mapping[str, Any]) -> str:
    """Names the layers of a `layers.json` that hold several blocks although `granularity: layer` asks for blocks."""
    return (
        f"{', '.join(description['undivided'])} of {description['model']} hold several blocks each, which share "
        "parameters, run side by side or are nested, so that each is trained as one layer."
    )
