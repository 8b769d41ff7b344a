"""Where a backbone's pretrained weights come from: the hub (through timm), an installed package, or a local file.

Whatever the source, the result is one `.safetensors` file with exactly the parameters and buffers of the timm model
without its classifier, so that training jobs need neither network nor pickle.
"""

import hashlib
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import load_state_dict

from subtuning.backbones.hub import address_of, offline_if_unreachable
from subtuning.backbones.packages import package_state_dict
from subtuning.errors import UserError, did_you_mean, listed


def check_model_name(model: str) -> None:
    """Raise `UserError`, with a suggestion, unless timm knows this model."""
    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        raise UserError(f"timm has no model {model!r}{did_you_mean(name, timm.list_models())}; see timm.list_models()")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
    if tag and tag not in tags:
        known = f"; known: {listed(tags)}" if tags else ""
        raise UserError(f"timm's model {name!r} has no pretrained tag {tag!r}{did_you_mean(tag, tags)}{known}")


def new_model(model: str) -> torch.nn.Module:
    """An untrained timm model without classifier (it gives features N x D), in eval mode, initialised from seed 0."""
    check_model_name(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(model, pretrained=False, num_classes=0).eval()


def fetch_weights(model: str, weights: str, out: Path) -> None:
    """Write the weights of `model` to the file `out`, in one step.

    Args:
        weights: `timm`, `package:<import name>`, `random`, or the path of a `.safetensors`, `.pth`, `.pt`, `.bin` file.

    Raises:
        UserError: unknown model, no network, a missing or unsafe file, or keys that do not fit (they are listed).
    """
    network = new_model(model)
    if weights == "timm":
        network = _from_hub(model)
    elif weights.startswith("package:"):
        _load(network, package_state_dict(weights.removeprefix("package:"), model), model, weights)
    elif weights != "random":
        _load(network, _read_file(Path(weights)), model, weights)
    state = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    save_file(state, partial)
    partial.replace(out)


def load_weights(network: torch.nn.Module, path: Path, model: str) -> str:
    """Load a file that `fetch_weights` wrote and return the sha256 of its content (names, types, shapes, values)."""
    if not path.is_file():
        raise UserError(f"weights file {path} is missing; make it with: subtuning fetch")
    state = _read_file(path)
    _load(network, state, model, str(path))
    return content_hash(state)


def content_hash(state: dict[str, torch.Tensor]) -> str:
    """The sha256 over a state dict, whatever the order of its entries."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _from_hub(model: str) -> torch.nn.Module:
    if not timm.list_pretrained(f"{model}*"):
        raise UserError(f"timm offers no pretrained weights for {model}; set weights: to a local file")
    try:
        with offline_if_unreachable() as unreachable:
            return timm.create_model(model, pretrained=True, num_classes=0).eval()
    except Exception as error:  # whatever the hub's client raises: no route, timeout, refused, not found, disk full
        why = "the network is not reachable" if unreachable else type(error).__name__
        raise UserError(
            f"the weights of {model} could not be fetched ({why}); run this step once where the network is reachable, "
            f"or download the file {address_of(model) or ''} and set weights: to its path"
        ) from None


def _read_file(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        found = "is no file" if path.exists() else "does not exist"
        raise UserError(f"weights file {path} {found}; give a .safetensors or .pth file, 'timm' or 'package:<name>'")
    safe = path.suffix == ".safetensors"
    try:
        return load_file(path) if safe else load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:  # each format and each kind of damage has exceptions of its own
        code = "" if safe else ", or holds more than tensors, which is refused since unpickling can run code"
        raise UserError(
            f"weights file {path} is damaged or of another format{code} ({type(error).__name__}); save the tensors "
            "anew, best as .safetensors"
        ) from None


def _load(network: torch.nn.Module, state: dict[str, torch.Tensor], model: str, source: str) -> None:
    """Load strictly; only the classifier's own entries may be left over."""
    wanted = network.state_dict()
    classifier = (
        set(timm.create_model(model, pretrained=False).state_dict()) - set(wanted)
        if set(state) - set(wanted)
        else set()
    )
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted and name not in classifier]
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    problems = [f"missing: {listed(missing)}"] * bool(missing) + [f"unexpected: {listed(unexpected)}"] * bool(
        unexpected
    )
    problems += [f"shapes: {listed(shapes)}"] * bool(shapes)
    if problems:
        raise UserError(f"the weights in {source} do not fit {model} ({'; '.join(problems)})")
    network.load_state_dict({name: state[name] for name in wanted})
