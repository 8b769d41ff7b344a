"""A model as a folder that timm loads: written, read back, and shown the images of a task."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL.Image import Image
from PIL.Image import fromarray as from_array
from timm.data import create_transform, resolve_data_config
from timm.models import save_for_hf
from torch import Tensor, nn

from subtuning.errors import UserError

FILES = ("delta.safetensors", "model.safetensors", "predict.py", "README.md", "config.json")
"""What a model's folder holds; the last one is there only when the others are whole."""

HALF = 0.5
"""A label with a higher probability is predicted, where an image may have several."""

BATCH = 64
"""Images that a model is shown at once."""

SCRIPT = '''\
"""Which class is in each image: python predict.py photo.jpg ... (needs timm alone)."""
import json
import sys
from pathlib import Path

import timm
from PIL import Image, ImageOps

here = Path(__file__).parent
model = timm.create_model(f"local-dir:{here}", pretrained=True).eval().requires_grad_(False)
temperature = json.loads((here / "config.json").read_text(encoding="utf-8")).get("temperature", 1)
see = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
names = model.pretrained_cfg["label_names"]
for name in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(name)).convert("RGB")
    @OUT@'''

ONE = """\
share, best = (model(see(image)[None]) / temperature).softmax(1)[0].max(0)
    print(f"{name}: {names[best]} ({share:.1%})")
"""

SEVERAL = """\
shares = model(see(image)[None]).sigmoid()[0]
    found = [f"{label} ({share:.1%})" for label, share in zip(names, shares.tolist()) if share > 0.5]
    print(f"{name}: {', '.join(found) or 'no label'}")
"""
"""The end of the script where an image may have several labels; timm does not know of that, so config.json says it."""

MULTILABEL = "multilabel"


def write_model(
    model: nn.Module,
    layers: dict[str, Any],
    classes: Sequence[str],
    folder: Path,
    temperature: float | None = None,
    multilabel: bool = False,
) -> None:
    """Write `model.safetensors`, `config.json` and `predict.py` into the new folder `folder`.

    Args:
        multilabel: whether the outputs are labels of which an image may have several, as config.json then says.
        layers: the content of the backbone's layers.json, which says how the network wants to see images. They are
            brought to its square whatever their shape, as at their conversion, which timm calls `squash`.
        temperature: by which whoever wants probabilities divides the logits; timm itself does not look at it.
    """
    size, keys = layers["input_size"], ("mean", "std", "interpolation")
    seen = {"input_size": (3, size, size), "crop_pct": layers["crop"], "crop_mode": "squash"}
    seen |= {key: layers[key] for key in keys}
    about: dict[str, Any] = {"label_names": list(classes)} | ({"temperature": temperature} if temperature else {})
    about |= {MULTILABEL: True} if multilabel else {}
    save_for_hf(model, str(folder), about, safe_serialization=True, data_config=seen)
    (folder / "predict.py").write_text(SCRIPT.replace("@OUT@", SEVERAL if multilabel else ONE))


class Model:
    """A folder of `write_model`, loaded by timm alone.

    Attributes:
        folder: where it is.
        see: turns a picture of Pillow's (RGB) into what the network sees, 3 x S x S.
        classes: their names, in the order of the network's outputs.
        multilabel: whether an image may have several of them.
        licence: of timm's own weights for this network, None if timm does not know it.

        temperature: by which logits are divided before they become probabilities.
        classifiers: the names of the modules that are its head, of distilled networks two.

    Raises:
        UserError: the folder is no such one, or damaged.
    """

    def __init__(self, folder: Path, device: torch.device | None = None):
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} is no model: it has no config.json; `subtuning deliver` makes such a folder")
        network: Any = load_timm(folder)
        self.folder = folder
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.see = create_transform(**resolve_data_config(model=network))
        cfg = network.pretrained_cfg
        self.classes = [str(name) for name in cfg.get("label_names") or range(network.num_classes)]
        self.licence = cfg.get("license")
        about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.temperature, self.multilabel = about.get("temperature", 1.0), about.get(MULTILABEL, False)
        found = cfg.get("classifier") or ()
        self.classifiers = [found] if isinstance(found, str) else list(found)

    def probabilities(self, seen: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Of images as `see` gives them, `BATCH` at a time: N x classes, float32.

        Each row adds up to 1; where an image may have several labels each is a probability of its own.
        """
        seen = iter(seen)
        while batch := list(islice(seen, BATCH)):
            yield self.to_probabilities(self.network(torch.stack(batch).to(self.device)))

    def to_probabilities(self, logits: Tensor) -> np.ndarray:
        """What logits (N x classes) say of each class, as `probabilities` gives it."""
        found = logits.sigmoid() if self.multilabel else (logits / self.temperature).softmax(1)
        return found.cpu().numpy()

    def answers(self, pictures: Iterable[Image]) -> np.ndarray:
        """The class, numbered from 0, of each picture (N), by timm's own transforms; or whether it has each of several
        labels (N x classes)."""
        seen = (self.see(picture.convert("RGB")) for picture in pictures)
        every = np.concatenate(list(self.probabilities(seen)))
        return every > HALF if self.multilabel else every.argmax(1)


def load_timm(folder: Path, **options: Any) -> nn.Module:
    """The network in a folder, as timm makes it with these options. Raises `UserError` if the folder is damaged."""
    try:
        return timm.create_model(f"local-dir:{folder}", pretrained=True, **options)
    except Exception as error:  # timm, json, safetensors and torch each have their own for a damaged file
        why = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{folder} cannot be loaded by timm ({why}); deliver the model again") from None


def picture(pixels: np.ndarray) -> Image:
    """A stored image, uint8 H x W x C (C is 1 or 3), as Pillow has it; RGB, which models see."""
    return from_array(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)).convert("RGB")


def spread(count: int, most: int) -> np.ndarray:
    """Rows, at most so many, evenly spread over `count` of them."""
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))


def check_equal(ours: Tensor, timms: Tensor, what: str) -> None:
    """Raise `UserError` unless two networks give the same logits (N x classes) up to rounding."""
    apart = (ours - timms).abs().max().item() / max(ours.abs().max().item(), 1e-3)
    if not apart < 1e-3:
        raise UserError(
            f"timm's {what} does not give what was trained (logits differ by {apart:.1e} of the largest), so this run "
            "cannot be delivered; please report the model's name"
        )
