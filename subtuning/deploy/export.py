"""A delivered model, or several that share a trunk, as one file for programs without timm: ONNX, or a program of
`torch.export`."""

import io
import json
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subtuning.deploy.folder import Model, picture, spread
from subtuning.deploy.multitask import MultiTaskModel
from subtuning.errors import UserError
from subtuning.runs.store import write_atomically
from subtuning.tasks import Task
from subtuning.tasks.images import ImageError, open_rgb
from subtuning.tasks.write import unusable

FORMATS = ("onnx", "torch-export")

NEEDED = ("onnx", "onnxruntime", "onnxscript")
"""What ONNX takes; the extra `onnx` of this package has them."""

CHECKED = 32
"""On so many images, at most, a file is compared with the model."""

LEAST_EQUAL = 1e-3
"""Logits that differ by more than this share of the largest one are not those of the model."""

MOST_BYTES = 2_000_000_000
"""A file of ONNX is one message of Protocol Buffers, which holds less than 2 GiB."""

Logits = Callable[[Tensor], Tensor | dict[str, Tensor]]
"""Of normalised images, N x 3 x S x S: N x classes; of several tasks, by their names."""


class Difference(NamedTuple):
    """How far a written file is from the model.

    Attributes:
        images: on how many images they were compared.
        largest: the largest difference of a logit.
        logit: the largest logit, without its sign.
        same: to how many images both give the same class, in all tasks.
    """

    images: int
    largest: float
    logit: float
    same: int


def export_model(model: Model | MultiTaskModel, images: Sequence[Tensor], form: str, out: Path) -> Difference:
    """Write a model to the file `out`, which takes batches of any size, and compare the file with the model first.

    The file's input is `images` (N x 3 x S x S, float32, as `model.see` gives them), its output `logits`
    (N x classes, before the softmax); it holds the text of the model's config.json, which says the classes and the
    normalisation: under `config.json` in the metadata of ONNX or among the extra files of `torch.export`. Of several
    tasks the outputs have their names, and that text holds the config.json of each under its name.

    Args:
        images: 3 x S x S each, one or more.
        form: one of `FORMATS`.

    Raises:
        UserError: packages are missing, the network cannot be exported, or the file gives something else.
    """
    require(form)
    # two at least: a program that is traced with one image may take no other number
    seen = torch.stack([*images] if len(images) > 1 else [*images, *images])
    network: Any = model.network if isinstance(model, Model) else model
    what, config = _about(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own about its internals
        try:
            program = _program(network, seen)
            names = [*model.tasks] if isinstance(model, MultiTaskModel) else ["logits"]
            content = _onnx(program, names, config) if form == "onnx" else _torch(program, config)
        except UserError:
            raise
        except Exception as error:  # torch has dozens for what it cannot trace or translate
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(f"{what} cannot be exported as {form} ({why}); try another --format") from None
        found = _difference(network, _loaded(content, form), seen)._replace(images=len(images))
    if not found.largest <= LEAST_EQUAL * max(found.logit, 1e-3):
        raise UserError(
            f"exported as {form}, {what} does not give what it gives in torch (logits differ by up to "
            f"{found.largest:.1e}, the largest is {found.logit:.3g}), so nothing is written; try another --format"
        )
    write_atomically(out, content)
    return found


def require(form: str) -> None:
    """Raise `UserError` where packages that a format takes are missing."""
    if form == "onnx" and any(find_spec(name) is None for name in NEEDED):
        raise UserError(
            f"ONNX takes packages that are not installed; get them with `pip install {' '.join(NEEDED)}`, or use "
            "--format torch-export"
        )


def _about(model: Model | MultiTaskModel) -> tuple[str, str]:
    """What errors call a model, and the text that its file holds."""
    if isinstance(model, Model):
        return str(model.folder), (model.folder / "config.json").read_text(encoding="utf-8")
    texts = {name: (own.folder / "config.json").read_text(encoding="utf-8") for name, own in model.models.items()}
    return " + ".join(texts), json.dumps({name: json.loads(text) for name, text in texts.items()}, indent=2)


def _by_name(logits: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return logits if isinstance(logits, dict) else {"logits": logits}


def _program(network: torch.nn.Module, seen: Tensor) -> torch.export.ExportedProgram:
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    with torch.no_grad():
        return torch.export.export(network, (seen[:2],), dynamic_shapes=shapes)


def _onnx(program: torch.export.ExportedProgram, outputs: Sequence[str], config: str) -> bytes:
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > MOST_BYTES:
        raise UserError(f"the model has {size / 1e9:.1f} GB, and a file of ONNX holds 2 GB; use --format torch-export")
    names: dict[str, Any] = {"input_names": ["images"], "output_names": list(outputs)}
    found = torch.onnx.export(program, (), **names, dynamo=True, verbose=False)
    assert found is not None
    found.model.metadata_props["config.json"] = config
    return found.model_proto.SerializeToString()


def _torch(program: torch.export.ExportedProgram, config: str) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"config.json": config})
    return file.getvalue()


def _loaded(content: bytes, form: str) -> Logits:
    """What a file computes, by the program that others would run it with."""
    if form == "torch-export":
        return torch.export.load(io.BytesIO(content)).module()
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def logits(images: Tensor) -> dict[str, Tensor]:
        found = session.run(names, {"images": images.numpy()})
        return {name: torch.from_numpy(array) for name, array in zip(names, found, strict=True)}

    return logits


@torch.no_grad()
def _difference(network: Logits, exported: Logits, seen: Tensor) -> Difference:
    """As one batch, and of the first image alone."""
    ours, theirs, alone = (_by_name(found) for found in (network(seen), exported(seen), exported(seen[:1])))
    apart = [(own - theirs[name]).abs().max() for name, own in ours.items()]
    apart += [(own[:1] - alone[name]).abs().max() for name, own in ours.items()]
    same = torch.stack([own.argmax(1) == theirs[name].argmax(1) for name, own in ours.items()]).all(0)
    largest = max(own.abs().max().item() for own in ours.values())
    return Difference(len(seen), max(apart).item(), largest, int(same.sum()))


def seen_of_task(model: Model, task: Task) -> list[Tensor]:
    """Test images of a task as the model sees them, 3 x S x S, evenly spread: at most `CHECKED`."""
    pixels = task.part("test")[0]
    return [model.see(picture(pixels[row])) for row in spread(len(pixels), CHECKED)]


def seen_of_files(model: Model, files: Sequence[Path]) -> list[Tensor]:
    """Images as the model sees them, 3 x S x S, evenly spread over the files: at most `CHECKED`.

    Raises:
        UserError: one of them cannot be used.
    """
    found = []
    for row in spread(len(files), CHECKED):
        try:
            found.append(model.see(open_rgb(files[row])))
        except ImageError as error:
            raise unusable([(str(files[row]), error)]) from None
    return found
