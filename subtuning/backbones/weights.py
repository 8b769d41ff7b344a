"""Where a backbone's pretrained weights come from: the hub (through timm), an installed package, or a local file.

Whatever the source, the result is one `.safetensors` file with exactly the parameters and buffers of the timm model
without its classifier, so that training jobs need neither network nor pickle.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from subtuning.backbones.checkpoints import read_checkpoint
from subtuning.backbones.fit import fit
from subtuning.backbones.flax import is_flax, load_flax
from subtuning.backbones.hub import address_of, fetching, weights_of
from subtuning.backbones.models import FOLDER, Architecture, find_architecture
from subtuning.backbones.packages import package_state_dict
from subtuning.config import WEIGHT_FILES
from subtuning.errors import UserError, listed


def new_model(model: str | Architecture, classes: int = 0) -> nn.Module:
    """An untrained timm model without classifier (it gives features N x D), in eval mode, initialised from seed 0.

    Args:
        classes: give it timm's own classifier for so many.
    """
    known = model if isinstance(model, Architecture) else find_architecture(model)
    kwargs = {**known.args, "pretrained_cfg": known.cfg} if known.cfg else known.args
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return timm.create_model(known.name, pretrained=False, num_classes=classes, **kwargs).eval()
        except Exception as error:
            if not known.place:
                raise
            why = str(error).partition("\n")[0] or type(error).__name__
            raise UserError(f"model: timm cannot make the {known.name} of {known.place} ({why})") from None


def fetch_weights(model: str, weights: str, out: Path, key: str = "auto") -> str:
    """Write the weights of `model` to the file `out`, in one step.

    Args:
        weights: `timm`, `package:<import name>`, `random`, or the path of a file.
        key: which part of a file to take, `auto` for the one that fits best.

    Returns:
        what of a file was taken and what left out, where that is not plain, else "".

    Raises:
        UserError: unknown model, no network, a missing or unsafe file, values that are not finite, or keys that do not
            fit (they are listed).
    """
    known, note = find_architecture(model), ""
    network = new_model(known)
    source = f"model {model}" if weights == "timm" else weights
    if weights == "random":
        state = network.state_dict()
    elif weights == "timm" and not known.place:
        state = _from_hub(known.name).state_dict()
    elif is_flax(tensors := _tensors(known, weights)):
        state = load_flax(network, Path(weights), known.name)
    else:
        state, note = fit(network, tensors, known.name, source, key, own_size=True)
    _check_finite(state, source)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    save_file(
        {name: value.contiguous().clone() for name, value in state.items()},
        partial,
        {"model": known.to_text(), "note": note},
    )
    partial.replace(out)
    return note


def load_weights(
    path: Path, model: str, prepare: Callable[[nn.Module], nn.Module] | None = None
) -> tuple[nn.Module, str]:
    """Make the network that a file of `fetch_weights` is for, with the weights in it.

    Args:
        prepare: what is done with the network besides, such as telling it another input size. A position table of
            another size than the model's own is resampled once, straight to that size.

    Returns:
        the network, and the sha256 of the weights (names, types, shapes, values).
    """
    if not path.is_file():
        raise UserError(f"weights file {path} is missing; make it with: subtuning fetch")
    state, known = read_checkpoint(path), architecture_of(path) or find_architecture(model)
    network, prepare = new_model(known), prepare or (lambda network: network)
    fits = all(state[name].shape == value.shape for name, value in network.state_dict().items() if name in state)
    network = network if fits else prepare(network)
    network.load_state_dict(fit(network, state, known.name, str(path))[0])
    return (prepare(network) if fits else network), content_hash(state, known.made_of())


def architecture_of(path: Path) -> Architecture | None:
    """What `fetch_weights` found the model's name to mean, None in files of earlier versions."""
    metadata = _metadata(path)
    return Architecture(**json.loads(metadata["model"])) if "model" in metadata else None


def note_of(path: Path) -> str:
    """What of a checkpoint `fetch_weights` took and left out."""
    return _metadata(path).get("note", "")


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def content_hash(state: dict[str, Tensor], further: str = "") -> str:
    """The sha256 over a state dict, whatever the order of its entries, and over what else makes the network."""
    digest = hashlib.sha256(further.encode())
    for name in sorted(state):
        value = state[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _tensors(known: Architecture, weights: str) -> dict[str, Tensor]:
    if weights.startswith("package:"):
        return package_state_dict(weights.removeprefix("package:"), known.name)
    if weights != "timm":
        return read_checkpoint(Path(weights))
    source, _, place = known.place.partition(":")
    return read_checkpoint(_file_in(Path(place))) if source == FOLDER else weights_of(place)


def _file_in(folder: Path) -> Path:
    """The weights in a folder: by the names that timm gives them, else the only file that can be weights."""
    files = [path for path in sorted(folder.iterdir()) if path.name.endswith(WEIGHT_FILES)]
    for usual in ("model.safetensors", "pytorch_model.bin"):
        if folder / usual in files:
            return folder / usual
    if len(files) != 1:
        found = f"it has {listed([path.name for path in files])}" if files else "it has none"
        raise UserError(f"model: local-dir:{folder} must have one file of weights ({found}); set weights: to a file")
    return files[0]


def _from_hub(model: str) -> nn.Module:
    if not timm.list_pretrained(model if "." in model else f"{model}.*"):
        raise UserError(f"timm offers no pretrained weights for {model}; set weights: to a local file")
    instead = f"download the file {address_of(model) or ''} and set weights: to its path"
    with fetching(f"the weights of {model}", instead):
        return timm.create_model(model, pretrained=True, num_classes=0).eval()


def _check_finite(state: dict[str, Tensor], source: str) -> None:
    bad = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise UserError(
            f"the weights in {source} are not finite: {listed(bad, 3)} {'holds' if len(bad) == 1 else 'hold'} NaN or "
            "infinity; take a checkpoint from before the training diverged"
        )
