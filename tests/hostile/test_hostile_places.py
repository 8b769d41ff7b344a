"""Archives that reach out of their folder, and places that may not be read or written."""

import gzip
import os
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from subtuning.errors import UserError
from subtuning.tasks.vtab.files import members
from tests.hostile.conftest import TERA, Hang, call, convert_words, refused
from tests.tasks.pictures import class_folders, list_folder, picture, save


def tar_with(path, **facts):
    """A tar with one entry of any kind; its header may claim anything."""
    entry = tarfile.TarInfo("dtd/a.jpg")
    for name, value in facts.items():
        setattr(entry, name, value)
    path.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)))
    return path


def zip_with(path, name, size):
    """A zip with one member whose size in the zip's table is a lie."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(1000))
        archive.getinfo(name).file_size = size
    return path


ARCHIVES = {
    "a tar member of a terabyte": (
        lambda folder: tar_with(folder / "a.tar.gz", size=TERA),
        rf"a member of {TERA:,} bytes \(dtd/a\.jpg\); it is not the published file",
    ),
    "a zip member of a terabyte": (
        lambda folder: zip_with(folder / "a.zip", "2750/a.jpg", TERA),
        rf"a member of {TERA:,} bytes \(2750/a\.jpg\); it is not the published file",
    ),
    "a link by name": (
        lambda folder: tar_with(folder / "a.tar.gz", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "holds a link instead of the file",
    ),
    "a link by number": (
        lambda folder: tar_with(folder / "a.tar.gz", type=tarfile.LNKTYPE, linkname="../../etc/passwd"),
        "holds a link instead of the file",
    ),
    "a member above": (lambda folder: tar_with(folder / "a.tar.gz", name="../a.jpg"), "outside its own folder"),
    "a member at the root": (lambda folder: tar_with(folder / "a.tar.gz", name="/etc/a.jpg"), "outside its own folder"),
    "a zip member above": (lambda folder: zip_with(folder / "a.zip", "a/../../b", 1000), "outside its own folder"),
    "a zip member at the root": (lambda folder: zip_with(folder / "a.zip", "/etc/b", 1000), "outside its own folder"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives(case, tmp_path):
    make, sentence = ARCHIVES[case]
    path = make(tmp_path)
    with pytest.raises(UserError, match=sentence):
        [member.read() for member in members(path)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_archives_of_devices_and_pipes_hold_no_files(kind, tmp_path):
    assert list(members(tar_with(tmp_path / "a.tar.gz", type=kind))) == []


UNREADABLE_PLACES = {
    "a class folder": ("in/c1", "folder", r"^error: in/c1: permission denied$"),
    "a folder in a class": ("in/c1/more", "folder", r"^error: in/c1/more: permission denied$"),
    "a picture": ("in/c1/0.png", "folder", r"cannot be used; replace or remove: c1/0\.png \(Permission denied\)"),
    "a list": ("lists/test.txt", "image_list", r"^error: lists/test\.txt: permission denied$"),
    "a table": ("a.csv", "csv", r"^error: a\.csv: permission denied$"),
    "a folder of a table's images": ("in/c1/more", "csv", r"^error: in/c1/more: permission denied$"),
    "the whole folder": ("in", "folder", r"^error: in: permission denied$"),
}


@pytest.mark.parametrize("case", UNREADABLE_PLACES)
def test_what_may_not_be_read_is_named_and_never_left_out(case, as_nobody):
    folder, nobody = as_nobody
    place, source, sentence = UNREADABLE_PLACES[case]
    save(class_folders(folder / "in") / "c1" / "more" / "a.png", picture(1))
    list_folder(folder / "lists")
    (folder / "a.csv").write_text("id,label\n" + "".join(f"c{c}/{i},{c}\n" for c in range(3) for i in range(6)))
    path = {"path": "a.csv", "images": "in"} if source == "csv" else {"path": place.partition("/")[0]}
    words = convert_words({"source": source, **path})
    assert call(folder, *words).code == 0, "it is good while it may be read"
    assert call(folder, "status", "--config", "gone").code == 2, "what is imported for an error is imported now"
    for path in sorted((folder / "results").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "results").chmod(0o777)
    (folder / place).chmod(0)
    try:
        with nobody():
            said = refused(folder, *words)
    finally:
        (folder / place).chmod(0o755)
    assert re.search(sentence, said), said


def test_a_folder_that_may_not_be_written_is_named(as_nobody):
    folder, nobody = as_nobody
    class_folders(folder / "in")
    words = convert_words({"source": "folder", "path": "in"})
    assert call(folder, *words).code == 0
    (folder / "results").rename(folder / "before")
    (folder / "results").mkdir(mode=0o555)
    with nobody():
        assert re.search(
            r"results/tasks/toy.*: ?permission denied|cannot be written: Permission denied", refused(folder, *words)
        )


def test_a_hang_would_be_noticed(tmp_path, monkeypatch):
    """The proof that all of these tests can fail: a pipe that is opened is never forgiven."""
    monkeypatch.setattr("tests.hostile.conftest.SECONDS", 1)
    monkeypatch.setattr("subtuning.cli.status.load_config", lambda path: Path(path).read_text())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Hang):
        call(tmp_path, "status", "--config", "pipe")
