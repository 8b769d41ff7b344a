"""Whatever a config, a list, an array file, a picture, a folder or a command holds: no traceback, no hang, and nothing
written outside of `results/`. The examples are always the same ones."""

import io
import itertools
import os
import shutil
import zipfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from subtuning.cli import VERBS
from subtuning.errors import UserError
from subtuning.tasks import load_task
from subtuning.tasks.fingerprint import fingerprint
from subtuning.workflow.params import Params
from tests.config.test_config_fuzz import COMPLETE
from tests.hostile.conftest import call, convert_words, tree
from tests.tasks.pictures import class_folders, list_folder, npz, picture

pytestmark = pytest.mark.slow

COUNT = itertools.count()


def bounded(examples: int):
    """Always the same examples; the deadline is for hangs, not for slow machines."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        deadline=timedelta(seconds=30),
        max_examples=examples,
        derandomize=True,
        database=None,
        suppress_health_check=slow,
    )


def fresh(tmp_path: Path) -> Path:
    """An empty folder for one example."""
    folder = tmp_path / str(next(COUNT))
    folder.mkdir()
    return folder


def check(folder: Path, *words: str) -> None:
    """Run a command: it works or gives one sentence, and what it did not make stays as it was."""
    before = tree(folder)
    outcome = call(folder, *words)
    assert outcome.code in (0, 2), outcome.output
    assert len(outcome.errors) == (outcome.code == 2), outcome.output
    assert all(error.isprintable() for error in outcome.errors)
    assert tree(folder) == before
    task = folder / "results" / "tasks" / "toy"
    assert task.exists() == (words[0] == "convert" and outcome.code == 0)
    if task.exists():
        load_task(task)
        assert sorted(path.name for path in task.parent.iterdir()) == ["toy"]
    remove(folder)


def remove(folder: Path) -> None:
    """Remove an example, whatever its names and links are."""
    shutil.rmtree(os.fsencode(folder))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good list folder, a good class folder and a good array file."""
    root = tmp_path_factory.mktemp("good")
    list_folder(root / "lists")
    class_folders(root / "classes", each=3)
    npz(root / "a.npz")
    return root


PATHS = [
    "images/test/000000.png",
    "images/train800/000001.png",
    "../x.png",
    "/etc/passwd",
    "images",
    "",
    ".",
    "a b.png",
]
PATHS += ["~/x.png", "$(touch hacked)", "x" * 300, "\\x", "images/../images/test/000001.png", "\x1b[2J", "%s{0}"]
paths = st.sampled_from(PATHS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
labels = st.sampled_from(["0", "1", "-1", "1.0", "cat", "", "00", "1e3", "99999", "100000", "9" * 30, "\u0663", "nan"])
lines = st.tuples(paths, st.sampled_from([" ", "  ", "\t", ",", "\u00a0"]), labels).map("".join)
lists = st.lists(lines, max_size=6).map("\n".join).map(str.encode) | st.binary(max_size=80)


@bounded(70)
@given(
    name=st.sampled_from(["train800.txt", "val200.txt", "test.txt", "classes.txt"]), content=lists, keep=st.booleans()
)
def test_lists(tmp_path, good, name, content, keep):
    folder = fresh(tmp_path)
    shutil.copytree(good / "lists", folder / "in")
    file = folder / "in" / name
    file.write_bytes((file.read_bytes() if keep and file.exists() else b"") + content)
    check(folder, *convert_words({"source": "image_list", "path": "in"}))


cells = (
    paths | labels | st.sampled_from(["train", "val", "dev", "test", '"', '"a,b"', "000000", "000001.png", "\r", "\0"])
)
rows = st.lists(cells, max_size=4)


@bounded(80)
@given(
    table=st.lists(rows, max_size=5),
    between=st.sampled_from(",;\t"),
    keep=st.booleans(),
    content=st.binary(max_size=40),
)
def test_tables(tmp_path, good, table, between, keep, content):
    folder = fresh(tmp_path)
    shutil.copytree(good / "classes", folder / "in")
    head = [["path", "label"], *([f"c{c}/{i}.png", f"c{c}"] for c in range(3) for i in range(3))] if keep else []
    text = "\n".join(between.join(row) for row in head + table)
    (folder / "a.csv").write_bytes(text.encode() + (b"" if keep else content))
    check(folder, *convert_words({"source": "csv", "path": "a.csv", "images": "in"}))


def edit(data, content: bytes) -> bytes:
    """Some bytes of a file replaced, removed or repeated."""
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, max(len(content) - 1, 0)))
        length = data.draw(st.integers(0, 12))
        content[start : start + length] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", bytes(content[start:])])
        )
    return bytes(content)


@bounded(80)
@given(data=st.data())
def test_array_files_with_changed_bytes(tmp_path, good, data):
    folder = fresh(tmp_path)
    (folder / "a.npz").write_bytes(edit(data, (good / "a.npz").read_bytes()))
    check(folder, *convert_words({"source": "arrays", "path": "a.npz"}))


numbers = st.sampled_from([0, 1, 2, 3, 5, 6, 7, 12, -1, 10**6, 10**12, 2**63, 2**64 + 1])
names = st.sampled_from(["x_train", "y_train", "x_test", "y_test", "x_val", "y_val", "class_names", "other"])
kinds = st.sampled_from(
    ["|u1", "<i8", ">i4", "<u8", "<f4", "|b1", "<U3", "|S9", "|O", "<M8[s]", "|V3", "<c8", "x", "[('a','<i4')]"]
)


@bounded(120)
@given(
    name=names,
    shape=st.lists(numbers, max_size=5).map(tuple),
    kind=kinds,
    size=st.integers(0, 3000),
    flip=st.booleans(),
)
def test_array_files_with_changed_headers(tmp_path, good, name, shape, kind, size, flip):
    folder = fresh(tmp_path)
    shown = kind if kind.startswith("[") else repr(kind)
    text = f"{{'descr': {shown}, 'fortran_order': {flip}, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(size)
    held = {}
    with np.load(good / "a.npz") as arrays:
        held |= arrays
    with_bytes(folder / "a.npz", held, name, content)
    check(folder, *convert_words({"source": "arrays", "path": "a.npz"}))


def with_bytes(path: Path, arrays: dict[str, np.ndarray], name: str, content: bytes) -> None:
    """A `.npz` of good arrays and one member of any bytes."""
    np.savez(path, **{key: array for key, array in arrays.items() if key != name})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}.npy", content)


@bounded(60)
@given(data=st.data(), images=st.integers(0, 30), classes=st.integers(0, 12), highest=st.integers(-1, 300))
def test_labels_of_any_kind(tmp_path, data, images, classes, highest):
    """0 or 1 class, more classes than images, labels that are floats or text."""
    folder, rng = fresh(tmp_path), np.random.default_rng(images)
    y = data.draw(
        st.lists(st.integers(-1, max(highest, 0)), min_size=images, max_size=images).map(np.array)
        | st.lists(st.floats(), min_size=images, max_size=images).map(np.array)
        | st.lists(st.text(max_size=3), min_size=images, max_size=images).map(np.array)
    )
    x = rng.integers(0, 256, (images, 1, 1, 3), np.uint8)
    more = {"class_names": np.array([f"c{n}" for n in range(classes)])} if data.draw(st.booleans()) else {}
    np.savez(folder / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y, **more)
    value = data.draw(st.sampled_from([0.2, 0.999, 1, 5, 10**30]))
    check(folder, *convert_words({"source": "arrays", "path": "a.npz", "val": value}))


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(1)).save(buffer, form)
    return buffer.getvalue()


PICTURES = {form: encoded(form) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000")}


@bounded(120)
@given(data=st.data(), form=st.sampled_from(sorted(PICTURES)), end=st.sampled_from(["png", "tif", "jp2", "tga"]))
def test_pictures_with_changed_bytes(tmp_path, good, data, form, end):
    folder = fresh(tmp_path)
    shutil.copytree(good / "classes", folder / "in")
    (folder / "in" / "c0" / f"x.{end}").write_bytes(edit(data, PICTURES[form]))
    check(folder, *convert_words({"source": "folder", "path": "in", "stored_size": 16}))


words = [
    "c0",
    "c1",
    "train",
    "test",
    "val",
    "a\nb",
    "\x1b[2J",
    " ",
    "-rf",
    "$(x)",
    "*",
    "{task}",
    "..x",
    ".h",
    "x" * 250,
]
file_names = st.sampled_from([*words, "a.png", "b.JPG", "c.txt", ".png", os.fsdecode(b"bad\xe9.png")])
targets = st.sampled_from(["..", ".", "../..", "/", "c0", "../c1", "a.png", "nowhere", "/dev/zero", "/dev/null", "x/y"])
things = st.tuples(
    st.lists(st.sampled_from([*words, "c0", "c1"]), max_size=3),
    file_names,
    st.sampled_from(["picture", "picture", "text", "folder", "pipe", "link", "empty"]),
    targets,
)


def put(root: Path, where: list[str], name: str, kind: str, target: str) -> None:
    """Put something at a place of a folder, if it can be there."""
    path = root.joinpath(*where, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.resolve().is_relative_to(root.resolve()) or os.path.lexists(path):
            return
        match kind:
            case "picture":
                path.write_bytes(PICTURES["PNG"])
            case "text":
                path.write_text("text")
            case "empty":
                path.touch()
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "link":
                path.symlink_to(target)
    except OSError:
        return


@bounded(120)
@given(
    held=st.lists(things, max_size=9),
    parts=st.sampled_from([(), ("train", "test"), ("train",), ("train", "val", "test")]),
)
def test_folders(tmp_path, good, held, parts):
    folder = fresh(tmp_path)
    for part in parts or ("",):
        shutil.copytree(good / "classes", folder / "in" / part)
    for where, name, kind, target in held:
        put(folder / "in", where, name, kind, target)
    assert fingerprint(folder / "in") == fingerprint(folder / "in")
    check(folder, *convert_words({"source": "folder", "path": "in"}))


LINES = yaml.safe_dump(COMPLETE, default_flow_style=False).splitlines(keepends=True)
ODD = [
    "\t",
    "- ",
    "&a ",
    "*a ",
    "<<: ",
    "!!python/name:os.system ",
    "? ",
    "| ",
    "> ",
    "{",
    "]",
    '"',
    "#",
    "---\n",
    "\0",
    "\ufeff",
]
ODD += [
    ".nan",
    ".inf",
    "1e999",
    "0x" + "f" * 99,
    "1_0",
    "~",
    "../..",
    "$(touch hacked)",
    "\x1b[2J",
    "\\",
    "9" * 400,
    ": ",
]


def plain(text: str) -> object:
    """What Snakemake makes of a file: it follows aliases and lets a repeated key win."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None


@bounded(150)
@given(data=st.data())
def test_config_files(tmp_path, data):
    """A complete config with some lines changed, as a file for `subtuning` and as Snakemake hands it to the rules."""
    folder, lines = fresh(tmp_path), list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(lines) - 1))
        place = data.draw(st.integers(0, len(lines[number])))
        piece = data.draw(st.sampled_from(ODD) | st.text(max_size=6))
        replace = lines[number][data.draw(st.integers(place, len(lines[number]))) :]
        lines[number] = lines[number][:place] + piece + replace
        if data.draw(st.integers(0, 3)) == 0:
            lines.insert(number, data.draw(st.sampled_from(LINES)))
    text = "".join(lines)
    (folder / "my.yaml").write_bytes(text.encode(errors="surrogatepass"))
    content = plain(text)
    if content is not None:
        with suppress(UserError):
            Params(content)
    check(folder, "status", "--config", "my.yaml")


ARGUMENTS = ["--task", "--backbone", "--spec", "--recipe", "--config", "my.yaml", "--layers", "--seeds", "--folds"]
ARGUMENTS += ["--shard", "--shards", "--rounds", "--previous", "--epsilon", "--id", "--status", "--threads", "--split"]
ARGUMENTS += ["0", "-1", "1e9", "9" * 30, "nan", "../x", "..", "", "a", "b", "{}", "[]", "null", "cv", "linear", "full"]
ARGUMENTS += [
    '{"source": "builtin"}',
    '{"model": "test_vit"}',
    "\0",
    "\n",
    "$(x)",
    "test_vit",
    "/dev/null",
    "/",
    "*",
    ",",
]


@bounded(250)
@given(verb=st.sampled_from(sorted(VERBS)), more=st.lists(st.sampled_from(ARGUMENTS) | st.text(max_size=5), max_size=9))
def test_commands(tmp_path, verb, more):
    """Any words after any verb. What names a place to write to is left out: there it is the user's wish."""
    folder = fresh(tmp_path)
    (folder / "my.yaml").write_text(yaml.safe_dump(COMPLETE))
    if verb == "export":
        more = [*more, "--workers", "0"]
    before = tree(folder)
    outcome = call(folder, verb, *more)
    assert outcome.code in (0, 2), outcome.output
    assert len(outcome.errors) == (outcome.code == 2), outcome.output
    assert tree(folder) == before
    shutil.rmtree(folder)
