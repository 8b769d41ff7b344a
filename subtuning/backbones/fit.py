"""Which of a checkpoint's tensors belong to a model, under whatever prefixes, and whether all of them are there."""

import re
import sys
from collections import Counter
from collections.abc import Iterator

import timm
from torch import Tensor, nn

from subtuning.errors import UserError, listed

PREFERRED = r"(^|[._])(ema|teacher)([._]|$)"
"""Of two whole networks in a file, averaged weights come first, as in timm and DINO ..."""

LAST = r"(^|[._])(student|momentum|encoder_k|target)([._]|$)"
"""... and last those that a pretraining keeps only for comparison (MoCo's, BYOL's) or averages (DINO's student)."""

LEFT_OVER = (
    r"^(heads?|head_\w+|fc|classifier|last_linear|decoder\w*|mask_token|projector|projection\w*|predictor|prototypes|"
    r"queue|queue_ptr|optimizer)(\.|$)"
)
"""Parts of a pretraining that a backbone does without: classifiers, MAE's decoder, projection heads."""

CONTAINERS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where training scripts put the weights; the order is timm's (`timm.models.load_state_dict`)."""


def fit(
    network: nn.Module, tensors: dict[str, Tensor], model: str, source: str, key: str = "auto", own_size: bool = False
) -> tuple[dict[str, Tensor], str]:
    """Find the weights of a network without classifier among the tensors of a checkpoint.

    Args:
        tensors: by their path in the file.
        model: timm's name of the network.
        key: the part of the file to take, `auto` for the one that fits best.
        own_size: leave the sizes of tables as they are in the file, where timm can resample them later.

    Returns:
        the network's state, complete and of its types and shapes; what was taken and what left out, in words, or "".

    Raises:
        UserError: the weights are not there, in part or at all (what is missing, left over or of another shape is
            listed).
    """
    wanted = network.state_dict()
    if key != "auto":
        tensors = _part(tensors, key, source)
    prefix, others = choose(tensors, wanted)
    inner = _below(tensors, prefix)
    problems, classifier = None, _classifier(model, wanted) if set(inner) - set(wanted) else set()
    for state in _readings(network, inner, tensors, model):
        found = _problems(state, wanted, classifier)
        problems = problems or found
        if not found:
            kept = inner if own_size and all(name in inner for name in wanted) else state
            taken = {name: kept[name].to(value.dtype) for name, value in wanted.items()}
            return taken, _note(tensors, prefix, others, state, wanted, classifier)
    if not set(inner) & set(wanted):
        begin = f"none of its {len(tensors)} entries ({listed(tensors, 3)}) has a name of that model's"
        problems = [f"{begin} ({listed(wanted, 3)})"]
    raise UserError(f"the weights in {source} do not fit {model} ({'; '.join(problems)}); {_right(inner, wanted)}")


def _right(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    first = next((name for name, value in wanted.items() if value.ndim == 4), None)
    if first in state and state[first].ndim == 4 and (channels := state[first].shape[1]) != wanted[first].shape[1]:
        return f"they are for images of {channels} channels, and only those for RGB images can be used"
    return "set model: to the one they were trained as"


def choose(tensors: dict[str, Tensor], wanted: dict[str, Tensor]) -> tuple[str, list[str]]:
    """The path under which most of the wanted names are, the best of several, and the others that have as many."""
    counts: Counter[str] = Counter()
    for path in tensors:
        parts = path.split(".")
        for depth in range(len(parts)):
            if ".".join(parts[depth:]) in wanted:
                counts[".".join(parts[:depth])] += 1
    most = max(counts.values(), default=0)
    best = sorted((prefix for prefix in counts if counts[prefix] == most), key=_rank)
    return (best[0], best[1:]) if best else ("", [])


def _rank(prefix: str) -> tuple[int, int, str]:
    kind = 0 if re.search(PREFERRED, prefix) else 2 if re.search(LAST, prefix) else 1
    return kind, len(prefix), prefix


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    begin = f"{prefix}." if prefix else ""
    return {name[len(begin) :]: value for name, value in tensors.items() if name.startswith(begin)}


def _part(tensors: dict[str, Tensor], key: str, source: str) -> dict[str, Tensor]:
    part = {name: value for name, value in tensors.items() if f".{key}." in f".{name}"}
    if not part:
        parts = dict.fromkeys(name.partition(".")[0] for name in tensors)
        raise UserError(f"weights_key: {source} has no part {key!r}; it has {listed(parts)}")
    return part


def _readings(
    network: nn.Module, inner: dict[str, Tensor], tensors: dict[str, Tensor], model: str
) -> Iterator[dict[str, Tensor]]:
    """The tensors as they are, then as timm's own filter of this kind of model converts and resamples them."""
    yield inner
    module = sys.modules[timm.models.model_entrypoint(model.partition(".")[0]).__module__]
    convert = getattr(module, "checkpoint_filter_fn", None)
    container = next((name for name in CONTAINERS if any(path.startswith(f"{name}.") for path in tensors)), "")
    for state in (inner, timm.models.clean_state_dict(_below(tensors, container))) if convert else ():
        try:
            yield convert(dict(state), network)
        except Exception:  # each filter knows some layouts, and fails in its own way on any other
            continue


def _classifier(model: str, wanted: dict[str, Tensor]) -> set[str]:
    return set(timm.create_model(model, pretrained=False).state_dict()) - set(wanted)


def _problems(state: dict[str, Tensor], wanted: dict[str, Tensor], classifier: set[str]) -> list[str]:
    missing = [name for name in wanted if name not in state]
    unexpected = [n for n in state if n not in wanted and n not in classifier and not re.match(LEFT_OVER, n)]
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "shapes": shapes}
    return [f"{kind}: {listed(names)}" for kind, names in found.items() if names]


def _note(tensors: dict, prefix: str, others: list[str], state: dict, wanted: dict, classifier: set[str]) -> str:
    """What was taken, where there was a choice, and what was left out but for the classifier."""
    begin = f"{prefix}." if prefix else ""
    depth = begin.count(".")
    left = Counter(name.partition(".")[0] for name in state if name not in wanted and name not in classifier)
    for name in tensors:
        if not name.startswith(begin):
            parts, own = name.split("."), prefix.split(".")
            same = next(i for i in range(depth + 1) if i == depth or parts[i] != own[i])
            left[".".join(parts[: same + 1])] += 1
    words = [f"took {prefix or 'the entries without prefix'}"] if prefix or others else []
    if others:
        words.append(f"weights_key: chooses another: {listed(others)}")
    if left:
        words.append(f"left out {listed(f'{part} ({count})' for part, count in left.items())}")
    return "; ".join(words)
