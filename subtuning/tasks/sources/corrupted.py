"""`source: corrupted`: the images of another converted task, each corrupted by a function of `imagecorruptions`.

The functions are those of ImageNet-C (Hendrycks and Dietterich, arXiv 1903.12261) as the maintained fork
`imagecorruptions-imaug` has them; the first package of that import name does not run with NumPy 2.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.source import PARTS, Item, Source
from subtuning.tasks.task import load_task, read_facts

PROJECT = "imagecorruptions-imaug"
LEAST_PIXELS = 32
"""Height and width that the functions need."""

_CORRUPTED = {"all": PARTS, "train": ("train", "val"), "test": ("test",)}


def check_library() -> None:
    """Raise `UserError` if the package of the corruptions is not installed; it is not imported."""
    if find_spec("imagecorruptions") is None:
        raise UserError(f"source: corrupted needs a package that is not installed; run: pip install {PROJECT}")


def open_source(spec, workers: int = 1, progress: bool = False, base: Path | None = None) -> Source:
    """The images of the converted task in folder `base` (uint8 N x H x W x 1 or 3), corrupted as `spec` says, as RGB.

    Raises:
        UserError: the other task is not converted or its images are too small, or the package is not installed.
    """
    if base is None:
        raise UserError(
            f"the task of which this one is a corrupted form, {spec.of}, is not known here; convert it first"
        )
    task, facts = load_task(base), read_facts(base)
    height, width, _ = task.image_size
    if min(height, width) < LEAST_PIXELS:
        raise UserError(
            f"of: {spec.of} has images of {height} x {width} pixels, but corruptions need {LEAST_PIXELS} a side; "
            "choose a task with larger ones"
        )
    change, library = _corruption(spec.kind, spec.severity, spec.seed)

    def items() -> Iterator[Item]:
        for part in PARTS:
            for row, (image, name) in enumerate(zip(task.part(part)[0], task.names(part), strict=True)):
                rgb = np.broadcast_to(image, (height, width, 3))
                yield Item(part, row, str(name), change(rgb) if part in _CORRUPTED[spec.parts] else rgb)

    return Source(
        classes=task.classes,
        labels={part: task.part(part)[1] for part in PARTS},
        items=items,
        image_size=(height, width, 3),
        decode=None,
        about={key: facts[key] for key in ("licence", "citation") if key in facts}
        | {"corrupted": {"of": task.sha256, "library": library}},
    )


def _corruption(kind: str, severity: int, seed: int) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """A function of one image (uint8 H x W x 3) that gives it corrupted, and the library's version.

    Its randomness is drawn from `seed` and the image's pixels: the same for an image wherever it stands.
    """
    corrupt, function = _library(kind)
    takes_seed = "seed" in inspect.signature(function).parameters  # those that draw from generators of their own

    def change(image: np.ndarray) -> np.ndarray:
        own = hashlib.sha256(seed.to_bytes(4, "little") + image.tobytes()).digest()
        number = int.from_bytes(own[:4], "little")
        more = {"seed": number} if takes_seed else {}
        before = np.random.get_state()
        np.random.seed(number)  # the library draws from NumPy's global generator
        try:
            return corrupt(np.ascontiguousarray(image), severity=severity, corruption_name=kind, **more)
        finally:
            np.random.set_state(before)

    return change, f"{PROJECT} {_version()}"


def _library(kind: str) -> tuple[Any, Any]:
    check_library()
    try:
        import imagecorruptions
    except Exception as error:  # the package that is no longer kept stops at NumPy 2 or scikit-image
        raise UserError(
            f"source: corrupted cannot import imagecorruptions ({type(error).__name__}: {error}); run: pip uninstall "
            f"imagecorruptions, then: pip install {PROJECT}"
        ) from None
    return imagecorruptions.corrupt, imagecorruptions.corruption_dict[kind]


def _version() -> str:
    try:
        return version(PROJECT)
    except PackageNotFoundError:
        return "of unknown version"
