"""Pictures, folders and lists that somebody broke on purpose: one sentence, soon, and nothing written anywhere."""

import io
import os
import re
import struct
import subprocess
import zlib

import pytest
from PIL import Image

from subtuning.tasks.fingerprint import fingerprint
from tests.hostile.conftest import call, convert_words, refused, sparse
from tests.tasks.pictures import class_folders, list_folder, picture, save


def png(width, height):
    """A whole, valid PNG of 100 bytes that claims any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def text_bomb():
    """A PNG whose compressed comment unpacks to 200 MB."""
    text = b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 200_000_000, 9)
    chunk = struct.pack(">I", len(text[1])) + b"".join(text) + struct.pack(">I", zlib.crc32(b"".join(text)))
    whole = io.BytesIO()
    Image.new("RGB", (5, 5)).save(whole, "PNG")
    return whole.getvalue()[:33] + chunk + whole.getvalue()[33:]


def gif(width, height):
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0, 0, 0)
        + b",\0\0\0\0"
        + struct.pack("<HH", width, height)
        + b"\0\2\0;"
    )


def bmp(width, height):
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(hacked) (w) file closefile showpage\n"
MANY = r"more than 89,478,485 pixels"
PICTURES = {
    "a PNG of 100,000 x 100,000": (png(100_000, 100_000), MANY),
    "a PNG of 2 billion x 2 billion": (png(2**31 - 1, 2**31 - 1), MANY),
    "a PNG of nothing": (png(0, 0), r"not an image|cannot identify|size|zero|truncated"),
    "a GIF of 65,535 x 65,535": (gif(65_535, 65_535), MANY),
    "a BMP of 2 billion x 2 billion": (bmp(2**31 - 1, 2**31 - 1), MANY),
    "a PNG with a bomb for a comment": (text_bomb, "Decompressed data too large"),
    "PostScript, which is a program": (EPS, "not an image"),
    "a BMP without pixels": (bmp(50, 50), "truncated|image file"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures(case, tmp_path):
    content, reason = PICTURES[case]
    class_folders(tmp_path / "in")
    (tmp_path / "in" / "c1" / "x.png").write_bytes(content() if callable(content) else content)
    said = refused(tmp_path, *convert_words({"source": "folder", "path": "in"}))
    assert re.search(rf"1 image cannot be used; replace or remove: c1/x\.png \(.*({reason}).*\)$", said), said


def test_a_picture_that_is_a_program_is_not_run(tmp_path, monkeypatch):
    """Pillow by itself would start Ghostscript for such a file, whatever its name."""
    monkeypatch.setattr("subprocess.check_call", lambda *words, **more: pytest.fail(f"{words} was started"))
    monkeypatch.setattr("subprocess.Popen", lambda *words, **more: pytest.fail(f"{words} was started"))
    class_folders(tmp_path / "in")
    (tmp_path / "in" / "c0" / "x.jpg").write_bytes(EPS)
    assert "c0/x.jpg (not an image)" in refused(tmp_path, *convert_words({"source": "folder", "path": "in"}))


def circle(root):
    """Each class has a link to every other class: followed blindly, 2 ** 40 folders."""
    for a in "012":
        for b in "012":
            if a != b:
                (root / f"c{a}" / f"to{b}").symlink_to(f"../c{b}")


def deep(root):
    place = os.open(root / "c0", os.O_RDONLY)
    for _ in range(1500):  # deeper than Python's stack and, in the end, than a path may be long
        os.mkdir("d", dir_fd=place)
        place, before = os.open("d", os.O_RDONLY, dir_fd=place), place
        os.close(before)
    os.close(place)


def broken_name(root):
    save(root / os.fsdecode(b"bad\xe9") / "a.png", picture(1))


SHELL = "$(touch hacked); `touch hacked` '\"&|>hacked {input} %s"
FOLDERS = {
    "links in a circle": (circle, r"in/c0/to1/to0 are one folder|are one folder, since a link leads to it; remove"),
    "a class that is a link": (lambda root: (root / "c3").symlink_to("c0"), "in/c0 and in/c3 are one folder"),
    "a link to the root": (lambda root: (root / "c0" / "l").symlink_to("/"), "c0/l in in is a link to a folder that"),
    "a link to itself": (lambda root: (root / "c0" / "l.png").symlink_to("l.png"), r"c0/l\.png \((missing|.*links)"),
    "a pipe": (lambda root: os.mkfifo(root / "c0" / "l.png"), r"c0/l\.png \(not a regular file\)"),
    "a device": (lambda root: (root / "c0" / "l.png").symlink_to("/dev/zero"), r"c0/l\.png \(not a regular file\)"),
    "a folder named like a picture": (lambda root: save(root / "c0" / "l.png" / "x.txt.gz.png", picture(1)), None),
    "1,500 folders deep": (deep, "in has more than 100 folders inside one another; move the images up"),
    "a terabyte of nothing": (lambda root: sparse(root / "c0" / "l.png"), r"c0/l\.png \(not an image\)"),
    "a terabyte that begins well": (
        lambda root: sparse(save(root / "c0" / "l.png", picture(3))),
        None,
    ),
    "a terabyte of AVIF, which is read whole": (
        lambda root: sparse(save(root / "c0" / "l.avif", picture(3))),
        r"c0/l\.avif \(larger than 2,000,000,000 bytes\)",
    ),
    "a terabyte of WebP": (lambda root: sparse(save(root / "c0" / "l.webp", picture(3))), r"l\.webp \(larger than 2,"),
    "a DICOM file": (
        lambda root: (root / "c0" / "l.png").write_bytes(bytes(128) + b"DICM"),
        r"1 image cannot be used, being DICOM; export it as PNG.*: c0/l\.png$",
    ),
    "a HEIC file of nothing": (
        lambda root: (root / "c0" / "l.heic").write_bytes(b"\0\0\0\x1cftypheic" + b"\xff" * 90),
        r"c0/l\.heic \(not an image\)",
    ),
    "a file that only says it is DICOM": (
        lambda root: (root / "c0" / "\x1b[2J.dcm").write_text("x"),
        r"being DICOM; .*: c0/\\x1b\[2J\.dcm$",
    ),
    "a line end in a name": (
        lambda root: (root / "c0" / "a\nerror: b\r.png").write_text("x"),
        r"c0/a\\nerror: b\\r\.png \(not an image\)",
    ),
    "a name that clears the screen": (lambda root: (root / "c0" / "\x1b[2J.png").write_text("x"), r"c0/\\x1b\[2J\.png"),
    "a class with a line end": (
        lambda root: save(root / "c\n3" / "a.png", picture(1)),
        r"in has class names that are not one line of text: c\\n3; rename them",
    ),
    "a class in broken UTF-8": (broken_name, r"not one line of text: bad\\udce9; rename them"),
    "a name that is as long as can be": (lambda root: save(root / "c0" / f"{'x' * 251}.png", picture(1)), None),
    "names that a shell would obey": (
        lambda root: [save(root / SHELL / name, picture(1)) for name in ("-rf *.png", "~.png", "{threads}.png")],
        None,
    ),
}  # fmt: skip
"""What is done to a good folder, and the sentence; None if it is read."""


@pytest.fixture
def removed(tmp_path):
    """Removes the folder of images afterwards: pytest cannot remove the deepest."""
    yield
    subprocess.run(["rm", "-r", tmp_path / "in"], check=True)


@pytest.mark.parametrize("case", FOLDERS)
@pytest.mark.usefixtures("removed")
def test_folders(case, tmp_path):
    change, sentence = FOLDERS[case]
    change(class_folders(tmp_path / "in"))
    words = convert_words({"source": "folder", "path": "in"})
    fingerprint(tmp_path / "in")  # what Snakemake's process looks at: it must not fail or hang either
    if sentence is None:
        outcome = call(tmp_path, *words)
        assert (outcome.code, outcome.errors) == (0, []), outcome.output
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "results"]
    else:
        said = refused(tmp_path, *words)
        assert re.search(sentence, said), said


def add(root, line):
    with (root / "test.txt").open("a") as file:
        file.write(line + "\n")


def instead(root, name, make):
    (root / name).unlink()
    make(root / name)


LISTS = {
    "a label of 5,000 digits": (lambda root: add(root, f"a.png {'9' * 5000}"), r"lines that are not 'path label'"),
    "a label in other digits": (lambda root: add(root, "a.png \u0661"), "line 5"),
    "a label that is a word": (lambda root: add(root, "a.png cat"), r"line 5 \(a\.png cat\)"),
    "a label that is no number": (lambda root: add(root, "a.png nan"), r"line 5 \(a\.png nan\)"),
    "a path of 5,000 letters": (lambda root: add(root, f"{'x' * 5000}.png 0"), "File name too long"),
    "a path with a zero byte": (lambda root: add(root, "a\0.png 0"), "outside its folder: line 5"),
    "a path that clears the screen": (lambda root: add(root, "\x1b[2J.png 0"), r"\\x1b\[2J\.png \(missing\)"),
    "a path by way of another folder": (lambda root: add(root, "images/../../a.png 0"), "outside its folder"),
    "a device": (lambda root: add(root, "zero.png 0") or (root / "zero.png").symlink_to("/dev/zero"), "not a regular"),
    "a list that is a pipe": (lambda root: instead(root, "test.txt", os.mkfifo), r"in lacks test\.txt"),
    "a list that is a folder": (lambda root: instead(root, "test.txt", lambda path: path.mkdir()), r"lacks test\.txt"),
    "a list that is a device": (
        lambda root: instead(root, "test.txt", lambda path: path.symlink_to("/dev/zero")),
        r"lacks test\.txt",
    ),
    "a list of a terabyte": (
        lambda root: sparse(root / "test.txt"),
        r"test\.txt is larger than 500,000,000 bytes; it must hold lines 'path label'",
    ),
    "class names of a terabyte": (lambda root: sparse(root / "classes.txt"), r"classes\.txt is larger than"),
    "class names in binary": (
        lambda root: (root / "classes.txt").write_bytes(b"\xff\xfe\x00"),
        r"classes\.txt is not UTF-8 text; it must hold one class name a line",
    ),
    "class names in a pipe": (lambda root: os.mkfifo(root / "classes.txt"), None),
    "no class": (lambda root: (root / "classes.txt").write_text(""), "holds no class"),
}  # fmt: skip


@pytest.mark.parametrize("case", LISTS)
def test_lists(case, tmp_path):
    change, sentence = LISTS[case]
    change(list_folder(tmp_path / "in"))
    words = convert_words({"source": "image_list", "path": "in"})
    if sentence is None:
        assert call(tmp_path, *words).code == 0
    else:
        said = refused(tmp_path, *words)
        assert re.search(sentence, said), said
