"""Decoding with Pillow: any file or bytes to an upright uint8 RGB array, or one short reason why not."""

import io
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError, features

from subtuning.tasks.kinds import LARGEST, UNDECODED, is_too_large, kind_of

_ENDINGS = "avif bmp dib gif jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
EXTENSIONS = frozenset(f".{ending}" for ending in _ENDINGS.split()) | UNDECODED
"""Files with these endings (in any case) are taken for images, also those that this Pillow cannot decode."""

_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""What a file may hold, whatever its name says. Pillow knows more formats; for some it runs another program."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (tag 0x0112 of the EXIF 2.3 standard) -> what turns the stored picture upright."""


NARROW = "have 16 bits a pixel but use less than 1/16 of their range, so they are nearly of one gray; stretch them"
SEVERAL = "hold several pages or frames, of which only the first is used"
"""What may be wrong with pictures that can be used: `Image.info["doubts"]` holds them; their number comes before."""


class ImageError(Exception):
    """This image cannot be used; the message is a reason of a few words. With a `remedy`, it is what the file is."""

    def __init__(self, reason: str, remedy: str = ""):
        super().__init__(reason)
        self.remedy = remedy


def image_size(source: Path | bytes) -> tuple[int, int]:
    """Height and width (pixels, upright) from the header alone. Raises `ImageError`."""
    with _guarded(source) as image:
        _check_mode(image)
        width, height = image.size
        return (width, height) if _orientation(image) >= 5 else (height, width)


def open_rgb(source: Path | bytes, upright: bool = True, flatten: bool = True) -> Image.Image:
    """Decode to an RGB image of Pillow's. Raises `ImageError`.

    Gray is repeated, 16-bit gray is scaled (65535 -> 255), transparent pixels are shown on white, CMYK and other colour
    spaces go through Pillow's conversion. Of pages or an animation the first is taken. `upright=False` ignores the EXIF
    orientation and `flatten=False` drops transparency, so that the colours below it show. `info["doubts"]` lists what
    may be wrong with the picture: `NARROW`, `SEVERAL`.
    """
    with _guarded(source) as image:
        orientation = _orientation(image) if upright else 1
        doubts = [SEVERAL] if _has_more(image) else []
        deep = image.mode.startswith("I") or ";16" in str(image.tile)  # Pillow keeps 8 bits of 16-bit colours
        turned = _reason(lambda: _turned(image, orientation))
        if deep and _is_narrow(turned):
            doubts.append(NARROW)
        result = _reason(lambda: _rgb(turned, flatten))
        result.info = result.info | {"doubts": doubts}
        return result


def open_as_stored(source: Path | bytes) -> Image.Image:
    """`open_rgb` without regard to EXIF rotation and transparency, as TensorFlow decodes images to three channels."""
    return open_rgb(source, upright=False, flatten=False)


def decode(source: Path | bytes, upright: bool = True, flatten: bool = True) -> np.ndarray:
    """`open_rgb` as uint8 H x W x 3."""
    return np.asarray(open_rgb(source, upright, flatten))


def _guarded(source: Path | bytes) -> ImageFile.ImageFile:
    if isinstance(source, Path) and _reason(source.exists) and not source.is_file():
        raise ImageError("not a regular file")
    if isinstance(source, Path) and _reason(lambda: is_too_large(source)):
        raise ImageError(f"larger than {LARGEST:,} bytes")
    image = _reason(lambda: _opened(source))
    if image.width * image.height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise ImageError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels")
    return image


def _opened(source: Path | bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats())
    except UnidentifiedImageError:
        known = kind_of(source)
        decoded = {"AVIF": features.check("avif"), "HEIC": "HEIF" in _formats()}
        if known and not decoded.get(known[0]):
            raise ImageError(*known) from None
        raise


@cache
def _formats() -> list[str]:
    """Those that this Pillow has: AVIF is an option of its builds, and HEIC comes with a plug-in if that is there."""
    Image.init()
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [name for name in _FORMATS if name in Image.OPEN]


def _reason(work):
    """Run `work`; whatever Pillow raises for a hostile file (it has no common class) becomes an `ImageError`."""
    try:
        return work()
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image") from None
    except FileNotFoundError:
        raise ImageError("missing") from None
    except Image.DecompressionBombError:
        raise ImageError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except Exception as error:
        words = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise ImageError("truncated" if "truncated" in words else words[:80]) from None


def _orientation(image: ImageFile.ImageFile) -> int:
    # A PNG may carry EXIF after its pixels; looking for it would decode the file, so only what stands before counts.
    # TIFF pictures are turned by Pillow itself.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse a picture that can be shown
        return 1


def _has_more(image: ImageFile.ImageFile) -> bool:
    # A camera's JPEG may hold a second view or a preview beside the picture ("MPO"), which nobody misses.
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # what is broken behind the first frame does not matter
        return False


def _is_narrow(image: Image.Image) -> bool:
    low, high = np.min(image), np.max(image)
    return high - low < (1 << 12 if image.mode.startswith("I") else 1 << 4)


def _check_mode(image: Image.Image) -> None:
    if image.mode == "F":
        raise ImageError("floating-point pixels; save it with 8 or 16 bits")


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    image.load()
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _rgb(image: Image.Image, flatten: bool) -> Image.Image:
    if image.mode == "RGB" and not (flatten and "transparency" in image.info):
        return image
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    _check_mode(image)
    if flatten and image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError("pixels of more than 16 bits; save it with 8 or 16 bits")
    gray = ((values + 128) // 257).astype(np.uint8)  # rounded v * 255 / 65535
    return Image.fromarray(gray).convert("RGB")
