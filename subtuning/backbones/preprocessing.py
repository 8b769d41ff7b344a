"""How a model wants to see images, as the people who pretrained it say, unless the config says otherwise."""

from typing import Any, get_args

from timm.data import resolve_data_config

from subtuning.config import BackboneEntry
from subtuning.errors import UserError, listed


def preprocessing(cfg: dict[str, Any], spec: BackboneEntry) -> dict[str, Any]:
    """The keys of `layers.json` about images: size (and why), filter, crop, means and spreads.

    The size is by default the one at which the published weights are evaluated. Many models are pretrained on smaller
    images, but on random crops, in which things look larger; here a network sees whole images in training too, and at
    the evaluation's size things are as large as it learnt them (Touvron et al., "Fixing the train-test resolution
    discrepancy", arXiv 1906.06423).

    Args:
        cfg: timm's `pretrained_cfg`.

    Raises:
        UserError: the model was pretrained with a filter that is not offered.
    """
    size = input_size(cfg, spec)
    of_test = size == _size(cfg, "test_input_size")
    found = resolve_data_config(pretrained_cfg=cfg, use_test_size=of_test)
    return {
        "input_size": size,
        "input_size_is": _why(cfg, spec),
        "interpolation": spec.interpolation or _offered(found["interpolation"]),
        "crop": spec.crop or min(1.0, found["crop_pct"]),
        "mean": list(spec.mean or found["mean"]),
        "std": list(spec.std or found["std"]),
    }


def input_size(cfg: dict[str, Any], spec: BackboneEntry) -> int:
    """Pixels a side: the spec's, else those of the model's evaluation."""
    return spec.input_size or _size(cfg, "test_input_size") or _size(cfg, "input_size")


def _size(cfg: dict[str, Any], key: str) -> int | None:
    return cfg[key][1] if cfg.get(key) else None


def _why(cfg: dict[str, Any], spec: BackboneEntry) -> str:
    trained, tested = _size(cfg, "input_size"), _size(cfg, "test_input_size") or _size(cfg, "input_size")
    if spec.input_size:
        return f"set by input_size; the model was pretrained at {trained}" + f" and evaluated at {tested}" * (
            trained != tested
        )
    if trained == tested:
        return "that of its pretraining"
    faster = f"input_size: {trained} needs {(tested / trained) ** 2:.1f} times less arithmetic"
    return f"that of its evaluation; it was pretrained on random crops at {trained}; {faster}"


def _offered(interpolation: str) -> str:
    offered = [
        name for kind in get_args(BackboneEntry.model_fields["interpolation"].annotation) for name in get_args(kind)
    ]
    if interpolation not in offered:
        raise UserError(f"interpolation: the model was pretrained with {interpolation!r}; set one of {listed(offered)}")
    return interpolation
