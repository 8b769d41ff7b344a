"""People's pictures: what cannot be decoded is named with its remedy, and what looks wrong is told, never left out."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from subtuning.config.tasks import FolderTask, ImageListTask
from subtuning.errors import UserError
from subtuning.tasks import convert_task, images, load_task
from tests.tasks.pictures import class_folders, list_folder, picture, save

DICOM = bytes(128) + b"DICM" + bytes(100)
JPEG_XL = b"\xff\x0a" + bytes(60)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def heic(height=9, width=12, **more):
    """A HEIC file, and its pixels: a gray ramp, which the coding leaves almost as it is."""
    images._formats()  # registers the plug-in
    ramp = np.linspace(0, 255, height * width).reshape(height, width, 1).astype(np.uint8).repeat(3, 2)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "HEIF", quality=-1, **more)
    return buffer.getvalue(), ramp


@pytest.fixture
def no_plugin(monkeypatch):
    """A machine without pillow-heif."""
    heic()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    images._formats.cache_clear()
    yield
    images._formats.cache_clear()


def folder(path, **more):
    return FolderTask(source="folder", path=str(path), **more)


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def said(spec, out, capfd):
    convert_task("toy", spec, out, progress=False)
    return [line for line in capfd.readouterr().err.splitlines() if line.startswith("warning: ")]


def test_heic_pictures_are_used_where_the_plugin_is(tmp_path):
    class_folders(tmp_path / "in")
    data, pixels = heic()
    put(tmp_path / "in" / "c0" / "phone.HEIC", data)
    convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
    task = load_task(tmp_path / "out")
    assert sum(task.counts.values()) == 19
    stored = np.concatenate([task.part(part)[0] for part in task.counts]).astype(int)
    assert np.abs(stored - pixels).max(axis=(1, 2, 3)).min() <= 2


def test_heic_pictures_are_not_turned_twice():
    """The format has its own rotation, which the plug-in applies; EXIF's does not count (ISO 23008-12)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data, pixels = heic(20, 30, exif=exif)
    assert images.image_size(data) == (20, 30)
    assert np.abs(images.decode(data).astype(int) - pixels).max() <= 2


@pytest.mark.usefixtures("no_plugin")
def test_heic_without_the_plugin_is_one_sentence_with_a_count(tmp_path):
    """At no price are they "ignored": they may be half of a class."""
    class_folders(tmp_path / "in")
    for i in range(12):
        put(tmp_path / "in" / f"c{i % 3}" / f"IMG_{i:02}.HEIC", b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(90))
    put(tmp_path / "in" / "c0" / "mif1.heif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + bytes(90))
    with pytest.raises(UserError) as caught:
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
    sentence = str(caught.value)
    assert sentence.startswith(
        "13 images cannot be used, being HEIC; install its decoder with `pip install pillow-heif`: c0/IMG_00.HEIC, "
    )
    assert sentence.endswith("and 3 more")
    assert not (tmp_path / "out").exists()


def test_a_broken_heic_is_broken_where_the_plugin_is(tmp_path):
    data, _ = heic()
    with pytest.raises(images.ImageError) as caught:
        images.decode(data[: len(data) // 2])
    assert "pip install" not in str(caught.value) + caught.value.remedy


def test_avif_is_decoded_by_pillow_itself_and_named_where_it_was_built_without(tmp_path, monkeypatch):
    class_folders(tmp_path / "in")
    buffer = io.BytesIO()
    Image.new("RGB", (12, 9), "red").save(buffer, "AVIF")
    put(tmp_path / "in" / "c0" / "a.avif", buffer.getvalue())
    convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    monkeypatch.setattr("subtuning.tasks.images.features.check", lambda name: False)
    with pytest.raises(UserError, match=r"1 image cannot be used, being AVIF; install a Pillow .*pillow>=11.3'`: c0/a"):
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)


NAMED = {
    "DICOM": ("scan.dcm", DICOM, "1 image cannot be used, being DICOM; export it as PNG"),
    "DICOM without its preamble": ("scan.DCM", bytes(200), "1 image cannot be used, being DICOM; export it as PNG"),
    "DICOM named PNG": ("scan.png", DICOM, "1 image cannot be used, being DICOM; export it as PNG"),
    "JPEG XL": ("a.jxl", JPEG_XL, "1 image cannot be used, being JPEG XL; save it as PNG"),
    "a Git LFS pointer": ("a.jpg", LFS, "being a Git LFS pointer instead of the file; run `git lfs pull`"),
    "a web page": ("a.jpg", b"<!DOCTYPE html><html>404</html>", "being a web page; fetch the file again"),
}


@pytest.mark.parametrize("case", NAMED)
def test_what_is_no_picture_for_pillow_is_named(case, tmp_path):
    name, data, sentence = NAMED[case]
    class_folders(tmp_path / "in")
    put(tmp_path / "in" / "c0" / name, data)
    with pytest.raises(UserError, match=f"{sentence}.*: c0/{name}$"):
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)


def test_a_list_may_name_files_without_endings(tmp_path):
    root = list_folder(tmp_path / "in")
    put(root / "scan", DICOM)
    with (root / "test.txt").open("a") as file:
        file.write("scan 0\n")
    with pytest.raises(UserError, match=r"1 image cannot be used, being DICOM; .*: scan$"):
        convert_task("toy", ImageListTask(source="image_list", path=str(root)), tmp_path / "out", progress=False)


def test_different_troubles_stand_in_one_sentence(tmp_path):
    class_folders(tmp_path / "in")
    put(tmp_path / "in" / "c0" / "a.dcm", DICOM)
    put(tmp_path / "in" / "c0" / "b.png", b"text")
    put(tmp_path / "in" / "c1" / "c.dcm", DICOM)
    with pytest.raises(UserError) as caught:
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
    first, second = str(caught.value).split("; 1 image ")
    assert first.startswith("2 images cannot be used, being DICOM; ")
    assert first.endswith(": c0/a.dcm, c1/c.dcm")
    assert second == "cannot be used; replace or remove: c0/b.png (not an image)"


def sixteen(path, top, colour=False):
    """A 16-bit picture (PNG in gray, TIFF in colour) whose values reach from 0 to `top`."""
    values = np.linspace(0, top, 108).reshape(9, 12).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not colour:
        Image.fromarray(values).save(path)
        return
    pixels = np.repeat(values[..., None], 3, 2).astype("<u2").tobytes()
    tags = [(256, 12), (257, 9), (258, None), (259, 1), (262, 2), (273, 200), (277, 3), (278, 9), (279, len(pixels))]
    entries = b"".join(
        number.to_bytes(2, "little") + (b"\3\0\3\0\0\0" + (190).to_bytes(4, "little") if value is None else
        b"\4\0\1\0\0\0" + value.to_bytes(4, "little")) for number, value in tags
    )  # fmt: skip
    head = b"II*\0\x08\0\0\0" + len(tags).to_bytes(2, "little") + entries + bytes(4)
    path.write_bytes(head.ljust(190, b"\0") + b"\x10\0" * 3 + bytes(4) + pixels)


@pytest.mark.parametrize(("ending", "colour"), [("png", False), ("tif", True)])
def test_16_bit_pictures_of_few_levels_are_told(tmp_path, capfd, ending, colour):
    """12-bit values in 16-bit files, as microscopes write them, become black."""
    class_folders(tmp_path / "in")
    sixteen(tmp_path / "in" / "c0" / f"good.{ending}", 65_535, colour)
    assert said(folder(tmp_path / "in"), tmp_path / "out", capfd) == []
    for i in range(7):
        sixteen(tmp_path / "in" / "c1" / f"dark{i}.{ending}", 4_000 + i, colour)
    [line, *rest] = said(folder(tmp_path / "in"), tmp_path / "out", capfd)
    assert line.startswith("warning: 7 of 26 pictures have 16 bits a pixel but use less than 1/16 of their range, so")
    assert line.endswith(f": c1/dark0.{ending}, {', '.join(f'c1/dark{i}.{ending}' for i in range(1, 5))}, and 2 more")
    assert all("repeat others" in other or "are in" in other for other in rest)  # they are nearly equal, too


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
def test_pages_and_frames_beyond_the_first_are_told(tmp_path, capfd, kind):
    class_folders(tmp_path / "in")
    first, second = (Image.fromarray(picture(seed)).quantize(8).convert("RGB") for seed in (7, 8))
    path = tmp_path / "in" / "c0" / f"stack.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(path, kind, save_all=True, append_images=[second, first], **options)
    [line] = said(folder(tmp_path / "in"), tmp_path / "out", capfd)
    assert line == f"warning: 1 of 19 pictures {images.SEVERAL}: c0/{path.name}"
    assert np.array_equal(images.decode(path), np.asarray(first))


def test_a_plain_tiff_and_a_cameras_second_view_are_no_trouble(tmp_path, capfd):
    class_folders(tmp_path / "in")
    save(tmp_path / "in" / "c0" / "plain.tif", picture(9))
    first, second = (Image.fromarray(picture(seed)) for seed in (7, 8))
    first.save(tmp_path / "in" / "c0" / "camera.jpg", "MPO", save_all=True, append_images=[second])
    assert said(folder(tmp_path / "in"), tmp_path / "out", capfd) == []


@pytest.mark.parametrize(("mode", "reason"), [("1", "more than 89,478,485 pixels"), ("F", "floating-point pixels")])
def test_what_the_header_says_is_told_before_the_work_begins(tmp_path, monkeypatch, mode, reason):
    """A single picture that cannot be used must not come to light after hours of decoding."""
    class_folders(tmp_path / "in")
    size = (10_000, 9_000) if mode == "1" else (12, 9)
    Image.new(mode, size).save(tmp_path / "in" / "c2" / "z.tif", compression="group4" if mode == "1" else None)
    monkeypatch.setattr("subtuning.tasks.convert._write", lambda *words: pytest.fail("the work began"))
    with pytest.raises(UserError, match=rf"1 image cannot be used; replace or remove: c2/z\.tif \({reason}"):
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
