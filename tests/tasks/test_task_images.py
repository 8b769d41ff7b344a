"""Decoding: the pixels of every colour mode, upright, and a short reason for every file that cannot be used."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from subtuning.tasks.images import EXTENSIONS, ImageError, decode, image_size, open_as_stored
from subtuning.tasks.kinds import UNDECODED
from subtuning.tasks.resize import interpolate, resize
from tests.tasks.pictures import picture


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def palette(*, transparency: int | bytes | None = None) -> bytes:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 0, 100, 1, 2, 3])
    image.putdata([0, 1, 2])
    return encoded(image, **({} if transparency is None else {"transparency": transparency}))


def row(mode: str, values: list) -> Image.Image:
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


def gray(*levels: int) -> list[list[int]]:
    return [[level] * 3 for level in levels]


SIXTEEN = Image.fromarray(np.array([[0, 128, 129, 385, 386, 32768, 65535]], np.uint16))
ROUNDED = gray(0, 0, 1, 1, 2, 128, 255)  # v * 255 / 65535
MODES = {
    "one bit": (encoded(row("1", [0, 255])), gray(0, 255)),
    "gray": (encoded(row("L", [0, 7, 255])), gray(0, 7, 255)),
    "gray with a transparent level": (encoded(row("L", [9, 7]), transparency=7), gray(9, 255)),
    "gray and alpha": (encoded(row("LA", [(0, 255), (100, 0), (0, 51)])), gray(0, 255, 204)),
    "palette": (palette(), [[10, 20, 30], [200, 0, 100], [1, 2, 3]]),
    "palette with a transparent colour": (palette(transparency=1), [[10, 20, 30], [255, 255, 255], [1, 2, 3]]),
    "palette with alpha": (palette(transparency=b"\xff\x33\xff"), [[10, 20, 30], [244, 204, 224], [1, 2, 3]]),
    "RGB": (encoded(row("RGB", [(1, 2, 3)])), [[1, 2, 3]]),
    "RGB with a transparent colour": (encoded(row("RGB", [(1, 2, 3), (4, 5, 6)]), transparency=(1, 2, 3)), None),
    "RGBA": (encoded(row("RGBA", [(1, 2, 3, 255), (1, 2, 3, 0), (0, 100, 255, 51)])), None),
    "CMYK": (encoded(row("CMYK", [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255)]), "TIFF"), None),
    "16-bit gray PNG": (encoded(SIXTEEN), ROUNDED),
    "16-bit gray TIFF": (encoded(SIXTEEN, "TIFF"), ROUNDED),
    "16-bit gray PGM": (b"P5 3 1 65535\n" + bytes([0, 129, 128, 0, 255, 255]), gray(1, 128, 255)),
    "one pixel": (encoded(row("RGB", [(9, 8, 7)]), "BMP"), [[9, 8, 7]]),
    "animation": (encoded(row("L", [50]), "GIF", save_all=True, append_images=[row("L", [90])]), gray(50)),
}
EXPECTED = {
    "RGB with a transparent colour": [[255, 255, 255], [4, 5, 6]],
    "RGBA": [[1, 2, 3], [255, 255, 255], [204, 224, 255]],
    "CMYK": [[255, 255, 255], [0, 255, 255], [0, 0, 0]],
}


@pytest.mark.parametrize("mode", MODES)
def test_every_colour_mode_becomes_the_right_rgb(mode):
    data, expected = MODES[mode]
    assert decode(data)[0].tolist() == (expected or EXPECTED[mode])
    assert decode(data).dtype == np.uint8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_exif_rotation_is_honoured(orientation, kind):
    upright = picture(0, 2, 3)
    # how a camera stores the upright picture: the inverse of what the orientation asks for
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    assert image_size(data) == (2, 3)
    assert np.array_equal(decode(data), upright)
    if kind != "TIFF":
        assert np.array_equal(open_as_stored(data), stored)


def test_jpeg_with_rotation_and_gray_jpeg():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(picture(0, 16, 8)), "JPEG", exif=exif)
    assert image_size(data) == (8, 16)
    assert np.array_equal(decode(data), np.rot90(np.asarray(Image.open(io.BytesIO(data))), -1))
    level = decode(encoded(Image.new("L", (4, 4), 77), "JPEG"))
    assert level.shape == (4, 4, 3)
    assert (level == 77).all()


def test_every_listed_extension_is_one_that_pillow_reads():
    known = Image.registered_extensions()
    assert {known[ending] for ending in EXTENSIONS - UNDECODED} <= set(Image.OPEN)


PNG = encoded(Image.fromarray(picture(0, 40, 40)))
BROKEN = {
    "text": (b"hello", "not an image"),
    "empty": (b"", "not an image"),
    "cut": (PNG[:2000], "truncated"),
    "header only": (PNG[:33], "not an image"),
    "32-bit": (encoded(Image.fromarray(np.array([[70000]], np.int32)), "TIFF"), "more than 16 bits"),
    "float": (encoded(Image.fromarray(np.array([[0.5]], np.float32)), "TIFF"), "floating-point"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_unusable_files_give_a_short_reason(kind):
    data, reason = BROKEN[kind]
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert reason in str(caught.value)
    assert len(str(caught.value)) <= 80


@pytest.mark.parametrize("limit", [100, 500])  # Pillow raises by itself only above twice its limit
def test_decompression_bombs_are_refused_before_decoding(limit, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    data = encoded(Image.new("L", (30, 30)))
    for read in (image_size, decode):
        with (
            pytest.raises(ImageError, match=f"more than {limit} pixels"),
            pytest.warns(Image.DecompressionBombWarning) if limit == 500 else pytest.MonkeyPatch.context(),
        ):
            read(data)


def test_missing_files_and_pipes_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):
        decode(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="missing"):
        decode(tmp_path / "none.png")
    (tmp_path / "dangling.png").symlink_to("nowhere")
    with pytest.raises(ImageError, match="missing"):
        image_size(tmp_path / "dangling.png")


def test_legacy_bilinear_has_tensorflow_1s_grid():
    # by hand: output o reads position o * 4/3 of 0, 30, 60, 90 -> 0, 40, 80; the plain grid reads (o + .5) * 4/3 - .5
    line = np.array([0, 30, 60, 90], np.uint8).reshape(1, 4, 1)
    assert interpolate(line, 1, 3, half_pixel=False).ravel() == pytest.approx([0, 40, 80])
    assert interpolate(line, 1, 3, half_pixel=True).ravel() == pytest.approx([5, 45, 85])
    assert resize(line, 1, 3, "legacy_bilinear").ravel().tolist() == [0, 40, 80]
    assert resize(line.transpose(1, 0, 2), 3, 1, "bilinear_plain").ravel().tolist() == [5, 45, 85]


@pytest.mark.parametrize("half_pixel", [True, False])
def test_interpolation_equals_its_definition(half_pixel):
    image = picture(1, 13, 21)
    found = interpolate(image, 7, 30, half_pixel)
    for down in range(7):
        for across in range(30):
            shift = 0.5 if half_pixel else 0.0
            y = min(max((down + shift) * 13 / 7 - shift, 0), 12)
            x = min(max((across + shift) * 21 / 30 - shift, 0), 20)
            near = [(row, column) for row in (int(y), int(y) + 1) for column in (int(x), int(x) + 1)]
            weights = [max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column)) for row, column in near]
            pixels = [image[min(row, 12), min(column, 20)].astype(float) for row, column in near]
            assert found[down, across] == pytest.approx(np.average(pixels, axis=0, weights=weights), abs=1e-3)


@pytest.mark.parametrize("how", ["bilinear", "bicubic", "bilinear_plain", "legacy_bilinear"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_resize_keeps_shape_type_and_flat_colour(how, channels):
    flat = np.full((5, 9, channels), 93, np.uint8)
    for height, width in ((1, 1), (4, 20), (50, 3)):
        out = resize(flat, height, width, how)
        assert out.shape == (height, width, channels)
        assert out.dtype == np.uint8
        assert (out == 93).all()
