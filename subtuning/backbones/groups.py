"""Which parameters make up which layer, by the model's own `group_matcher` (timm/models/_manipulate.py) or its tree.

timm gives every model regular expressions that number its blocks, for layer-wise learning rates. Numbers are compared
as integers, so `blocks.1` can never catch `blocks.10`. Everything that is in no block (patch embedding, final norm ...)
is left to `graph`, which knows whether it runs before or after the blocks.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from posixpath import commonpath

from torch import nn

from subtuning.backbones.tree import blocks_below, blocks_inside, shared_out, stage_of
from subtuning.errors import UserError

_PREVIOUS = 99999
"""timm's MATCH_PREV_GROUP: such parameters belong to the group that sorts just before them."""


def block_of_parameters(model: nn.Module, granularity: str = "layer") -> dict[str, str]:
    """Map each parameter that is in a block to the block's name, a module path such as `layer3.2` or `blocks.4.1`.

    The blocks are those of timm's `group_matcher`. The module tree gives them where a model has none, where it knows
    only stages (PVTv2, MaxViT ...), and in the convolutional backbone of a hybrid, whose embedding that follows is then
    the layer `patch_embed`.

    Args:
        model: a timm model.
        granularity: `layer` (residual, transformer or MBConv block) or `stage` (timm's ``coarse=True``).

    Raises:
        UserError: neither `group_matcher` nor the module tree shows any block.
    """
    stages = _matched(model, coarse=True) if granularity == "stage" else None
    if stages is not None:
        return stages | {name: stage_of(block) for name, block in _hybrid(model).items()}
    matched = _matched(model, coarse=False)
    if matched is None:
        blocks = blocks_below(model)
    elif _matched(model, coarse=True) in (matched, None):  # the matcher does not tell blocks from stages
        blocks = _inside_stages(model, matched)
    else:
        blocks = matched
    if not blocks:
        raise UserError(f"neither timm nor the module tree shows the blocks of {type(model).__name__}; choose another")
    blocks |= _hybrid(model)
    return {name: stage_of(block) for name, block in blocks.items()} if granularity == "stage" else blocks


def _matched(model: nn.Module, coarse: bool) -> dict[str, str] | None:
    """The groups of timm's own matcher; None if the model has none."""
    if not hasattr(model, "group_matcher"):
        return None
    try:
        matcher = model.group_matcher(coarse=coarse)
    except AssertionError:  # RDNet's way to say that it has none of stages
        return None
    keys = _block_keys([name for name, _ in model.named_parameters()], matcher)
    members = defaultdict(list)
    for name, (key, _) in keys.items():
        members[key].append(name)
    # the deepest path of a group: a block's own, not that of the downsampling that timm counts to it
    titles = {key: max((keys[n][1] for n in group), key=lambda path: path.count(".")) for key, group in members.items()}
    if len(set(titles.values())) < len(titles):
        raise AssertionError(f"two groups of parameters of {type(model).__name__} have one title: {titles}")
    return {name: titles[key] for name, (key, _) in keys.items()}


def _inside_stages(model: nn.Module, matched: dict[str, str]) -> dict[str, str]:
    """The same with blocks instead of the stages that hold several, all of them then, for the names to be alike."""
    members = defaultdict(list)
    for name, title in matched.items():
        members[title].append(name)
    modules = dict(model.named_modules())  # without groups that are no module: several convolutions side by side
    inside = {title: blocks_inside(modules[title], title) if title in modules else [] for title in members}
    if max(map(len, inside.values()), default=0) < 2:
        return matched
    parts = [shared_out(names, inside[title] or [title]) for title, names in members.items()]
    return {name: block for part in parts for name, block in part.items()}


def _hybrid(model: nn.Module) -> dict[str, str]:
    """The blocks of the network that a hybrid's patch embedding holds, and the embedding after them."""
    embedding = getattr(model, "patch_embed", None)
    backbone = getattr(embedding, "backbone", None)
    blocks = blocks_below(backbone, "patch_embed.backbone") if isinstance(backbone, nn.Module) else {}
    if not blocks:
        return {}
    outside = [f"patch_embed.{name}" for name, _ in embedding.named_parameters() if not name.startswith("backbone.")]
    tokens = [name for name, _ in model.named_parameters(recurse=False)]  # class token, position table
    return blocks | dict.fromkeys(outside + tokens, "patch_embed")


def _block_keys(names: Iterable[str], matcher) -> dict[str, tuple[tuple, str]]:
    """For each name in a block: its group's sort key, and the module path that the matcher recognised."""
    found = _by_function(names, matcher) if callable(matcher) else _by_patterns(names, matcher)
    merged, last = {}, None
    for key in sorted({key for key, _ in found.values()}):
        merged[key] = last = last if last and key[-1] == _PREVIOUS else key  # timm's marker: joins the one before it
    return {name: (merged[key], path) for name, (key, path) in found.items()}


def _by_patterns(names: Iterable[str], matcher: dict) -> dict[str, tuple[tuple, str]]:
    patterns = []
    for order, (group, spec) in enumerate(matcher.items()):
        for pattern, suffix in [(spec, None)] if isinstance(spec, str) else spec or []:
            patterns.append((re.compile(pattern), order, suffix or (), group == "stem"))
    found = {}
    for name in names:
        for pattern, order, suffix, is_stem in patterns:
            if match := pattern.match(name):
                captured = [i for i in range(1, pattern.groups + 1) if match.group(i) is not None]
                if captured and not is_stem:
                    numbers = tuple(int(match.group(i)) for i in captured)
                    found[name] = ((order, *numbers, *suffix), name[: match.end(captured[-1])])
                break
    return found


def _by_function(names: Iterable[str], matcher) -> dict[str, tuple[tuple, str]]:
    """A few models number their parameters by a function, 0 for the stem; a group is then named by its common path."""
    groups = defaultdict(list)
    for name in names:
        order = matcher(name)
        number = order[0] if isinstance(order, tuple) else order
        if number is not None and 0 < number < _PREVIOUS:
            groups[number].append(name)
    found = {}
    for number, group in groups.items():
        modules = [name.rpartition(".")[0].replace(".", "/") for name in group]
        path = commonpath(modules).replace("/", ".")  # of the module that holds all; empty if only the model does
        numbered = {name: match[0] for name in group if (match := re.match(r"[^.]+\.\d+(?=\.)", name))}
        if path or not numbered:
            found |= {name: ((int(number), 0), path or group[0].split(".")[0]) for name in group}
        else:  # blocks of two lists (CaiT's and its class attention's) that do not run one after the other
            paths = sorted(set(numbered.values()))
            found |= {name: ((int(number), paths.index(own)), own) for name, own in numbered.items()}
    return found
