"""Reading weights files as training scripts save them, whatever their ending, without running anything in them."""

import argparse
import codecs
import pathlib
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from subtuning.errors import UserError, listed

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the text begins that Git has in place of a large file (git-lfs, docs/spec.md)."""

_HARMLESS = [
    argparse.Namespace,
    codecs.encode,
    *(pathlib.PosixPath, pathlib.PurePosixPath),
    *(np.dtype, np._core.multiarray.scalar),
    *{type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")},
]
"""What checkpoints hold beside tensors, such as arguments and a metric: making them only makes a value."""


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a file under their whole path in it, such as ``state_dict.module.conv1.weight``.

    Reads safetensors, what `torch.save` writes and NumPy's `.npz`, told apart by their content: files are renamed.

    Raises:
        UserError: no such file, a stand-in for one, damaged, or not tensors by name.
    """
    if not path.is_file():
        found = "is no file" if path.exists() else "does not exist"
        raise UserError(
            f"weights file {path} {found}; give a .safetensors, .pth, .ckpt or .npz file, 'timm' or 'package:<name>'"
        )
    content = _read(path, kind_of(path))
    tensors = _flat(content)
    if not tensors:
        raise UserError(
            f"weights file {path} holds {_in_words(content)}, not tensors by name; save what model.state_dict() gives"
        )
    return tensors


def kind_of(path: Path) -> str:
    """`safetensors`, `npz` or `torch`, by the first bytes.

    Raises:
        UserError: it is empty, a Git LFS pointer or a web page.
    """
    with path.open("rb") as file:
        begin = file.read(512)
    if not begin:
        raise UserError(f"weights file {path} is damaged or of another format: it is empty; fetch it again")
    if begin.startswith(LFS_POINTER):
        raise UserError(
            f"weights file {path} is a Git LFS pointer of {path.stat().st_size} bytes, not the weights; run git lfs "
            "pull where it came from"
        )
    if begin.lstrip()[:1] == b"<":
        raise UserError(f"weights file {path} is a web page, not weights; download the file that the page links to")
    if begin[8:9] == b"{":  # after eight bytes that hold the length of the header, which is JSON
        return "safetensors"
    if begin.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return "npz" if all(name.endswith(".npy") for name in archive.namelist()) else "torch"
        except zipfile.BadZipFile:
            return "torch"
    return "torch"


def _read(path: Path, kind: str) -> Any:
    try:
        if kind == "safetensors":
            return load_file(path)
        if kind == "npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: torch.from_numpy(archive[name]) for name in archive.files}
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each kind of damage has an exception of its own
        if kind == "torch" and (code := _code_in(path, error)):
            raise UserError(
                f"weights file {path} holds more than tensors ({listed(code, 3)}), which is refused since unpickling "
                "can run code; if you trust it, save its tensors anew: torch.save(model.state_dict(), 'tensors.pth')"
            ) from None
        raise UserError(
            f"weights file {path} is damaged or of another format ({type(error).__name__}); save the tensors anew, "
            "best as .safetensors"
        ) from None


def _code_in(path: Path, error: Exception) -> list[str]:
    """The classes and functions that unpickling a file would call, as far as they are not allowed."""
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # a format of before 2020, or not by torch.save at all: what stopped the reading
        return re.findall(r"GLOBAL (\S+)", str(error))[:1]


def _flat(content: Any, path: str = "") -> dict[str, torch.Tensor]:
    found = {}
    for key, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, torch.Tensor):
            found[f"{path}{key}"] = value
        else:
            found |= _flat(value, f"{path}{key}.")
    return found


def _in_words(content: Any) -> str:
    if isinstance(content, dict):
        return f"entries such as {listed(content, 3)}" if content else "no entries"
    return f"a value of type {type(content).__name__}"
