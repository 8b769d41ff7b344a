"""Which parameters make up which layer, by the model's own `group_matcher` (timm/models/_manipulate.py).

timm gives every model regular expressions that number its blocks, for layer-wise learning rates. Numbers are compared
as integers, so `blocks.1` can never catch `blocks.10`. Everything that is in no block (patch embedding, final norm ...)
is left to `graph`, which knows whether it runs before or after the blocks.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from torch import nn

from subtuning.errors import UserError

_PREVIOUS = 99999
"""timm's MATCH_PREV_GROUP: such parameters belong to the group that sorts just before them."""


def block_of_parameters(model: nn.Module, granularity: str = "layer") -> dict[str, str]:
    """Map each parameter that is in a block to the block's name, a module path such as `layer3.2` or `blocks.4.1`.

    Args:
        model: a timm model with a `group_matcher`.
        granularity: `layer` (residual, transformer or MBConv block) or `stage` (timm's ``coarse=True``).

    Raises:
        UserError: the model has no `group_matcher`, or it finds no block.
    """
    if not hasattr(model, "group_matcher"):
        raise UserError(
            f"model {type(model).__name__} has no group_matcher, so its layers are not defined; choose another model"
        )
    names = [name for name, _ in model.named_parameters()]
    keys = _block_keys(names, model.group_matcher(coarse=granularity == "stage"))
    if not keys:
        raise UserError(f"timm's group_matcher finds no blocks in {type(model).__name__}; choose another model")
    members = defaultdict(list)
    for name, (key, _) in keys.items():
        members[key].append(name)
    titles = {key: _title([(name, keys[name][1]) for name in group]) for key, group in members.items()}
    return {name: titles[key] for name, (key, _) in keys.items()}


def _block_keys(names: Iterable[str], matcher) -> dict[str, tuple[tuple, str]]:
    """For each name in a block: its group's sort key, and the module path that the matcher recognised."""
    found = _by_function(names, matcher) if callable(matcher) else _by_patterns(names, matcher)
    ordered = sorted({key for key, _ in found.values()})
    merged = {}
    for key in ordered:  # a group that ends with timm's marker joins the one before it
        previous = merged[ordered[ordered.index(key) - 1]] if key != ordered[0] else key
        merged[key] = previous if key[-1] == _PREVIOUS else key
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
    return {name: ((int(number),), _common_path(group)) for number, group in groups.items() for name in group}


def _common_path(names: list[str]) -> str:
    parts = []
    for column in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(column)) > 1:
            break
        parts.append(column[0])
    return ".".join(parts) or names[0].split(".")[0]


def _title(members: list[tuple[str, str]]) -> str:
    """The deepest recognised path: a block's own, not that of the downsampling that timm counts to it."""
    return max((path for _, path in members), key=lambda path: path.count("."))
