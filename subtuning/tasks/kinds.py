"""What a file is that no decoder takes, told by its first bytes or its ending, and what its owner can do about it."""

from pathlib import Path

UNDECODED = frozenset({".dcm", ".dicom", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jxl"})
"""Endings of pictures that need a plug-in or another format: they are images, and never left out as something else."""

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
"""Brands of files whose pictures are coded with HEVC (ISO/IEC 23008-12, annex B)."""

_HEAD = 256
_DICOM = ("DICOM", "export it as PNG, since which grays of it matter is for you to say")
_JPEG_XL = ("JPEG XL", "save it as PNG")
_KNOWN = (
    (128, b"DICM", _DICOM),  # the DICOM standard, part 10, section 7.1
    (0, b"\xff\x0a", _JPEG_XL),  # ISO/IEC 18181-2
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    (0, b"version https://git-lfs", ("a Git LFS pointer instead of the file", "run `git lfs pull` where it came from")),
    (0, b"<!DOCTYPE html", ("a web page", "fetch the file again")),
    (0, b"<html", ("a web page", "fetch the file again")),
)


LARGEST = 2_000_000_000
"""Bytes of a file of a format that is read whole before its header is looked at; the largest picture has far fewer."""


def is_too_large(file: Path) -> bool:
    """Whether a file of more than `LARGEST` bytes claims to be AVIF, HEIC or WebP. Raises `OSError`."""
    if file.stat().st_size <= LARGEST:
        return False
    with file.open("rb") as opened:
        head = opened.read(12)
    return head[4:8] == b"ftyp" or head[8:] == b"WEBP"


def kind_of(source: Path | bytes) -> tuple[str, str] | None:
    """What a file that could not be decoded is, and the remedy; None if nothing is known of it. Raises `OSError`."""
    if isinstance(source, bytes):
        head = source[:_HEAD]
    else:
        with source.open("rb") as file:
            head = file.read(_HEAD)
    if head[4:8] == b"ftyp":
        if any(brand in head[8:64] for brand in _HEIF):
            return "HEIC", "install its decoder with `pip install pillow-heif`"
        if any(brand in head[8:64] for brand in (b"avif", b"avis")):
            return "AVIF", "install a Pillow that decodes it with `pip install 'pillow>=11.3'`"
    for start, signature, known in _KNOWN:
        if head[start : start + len(signature)] == signature:
            return known
    return _DICOM if isinstance(source, Path) and source.suffix.lower() in (".dcm", ".dicom") else None
