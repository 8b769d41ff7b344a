"""The published archives in `data_dir`: where they are, whether they are whole, and what is in them."""

import csv
import hashlib
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from subtuning.errors import UserError, listed

MAX_MEMBER_BYTES = 2_000_000_000
"""Published members that are read whole (pictures, lists, the inner archive of Caltech101) have far fewer."""

_VERIFIED = ".verified.json"
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Archive:
    """A published file: name, size (bytes), SHA-256, and addresses in the order in which they are tried.

    `unpacked` is a file or folder that may lie in its place. `size` 0 and `sha256` "" mean that nobody published them.
    """

    file: str
    size: int
    sha256: str
    urls: tuple[str, ...]
    unpacked: str = ""


def published_archives() -> dict[str, tuple[Archive, ...]]:
    """Data set -> its published files, from `archives.csv`.

    Sizes and checksums are those of tensorflow_datasets 4.9.10 (url_checksums/, datasets/*/checksums.tsv), second
    addresses those of torchvision 0.29.
    """
    found: dict[str, tuple[Archive, ...]] = {}
    with Path(__file__).with_name("archives.csv").open(newline="", encoding="ascii") as table:
        for row in csv.DictReader(table):
            data_set, size, urls = row.pop("data_set"), int(row.pop("size")), tuple(row.pop("urls").split())
            found[data_set] = (*found.get(data_set, ()), Archive(**row, size=size, urls=urls))
    return found


def find(folder: Path, archive: Archive, check: bool = True) -> Path | None:
    """The archive in `folder`, or what lies there unpacked, or None. Raises `UserError` if it is another file."""
    path = folder / archive.file
    if path.is_file():
        if check:
            verify(path, archive)
        return path
    unpacked = folder / archive.unpacked
    return unpacked if archive.unpacked and unpacked.exists() else None


def need(folder: Path, archive: Archive, check: bool = True) -> Path:
    """`find`, or a `UserError` that says what to do when there is nothing."""
    path = find(folder, archive, check)
    if path is None:
        raise UserError(f"{folder / archive.file} is missing; fetch it, or put the published file there")
    return path


def verify(path: Path, archive: Archive) -> None:
    """Compare size and SHA-256 with the published ones; a verified file is not read again until it changes."""
    stat = path.stat()
    if archive.size and stat.st_size != archive.size:
        kind = "truncated" if stat.st_size < archive.size else "another file"
        raise UserError(
            f"{path} has {stat.st_size:,} bytes, the published file {archive.size:,}: it is {kind}; "
            "remove it and fetch it again"
        )
    known = _read_verified(path.parent)
    seen = [stat.st_size, stat.st_mtime_ns, archive.sha256]
    if archive.sha256 and known.get(path.name) != seen:
        if sha256(path) != archive.sha256:
            raise UserError(f"{path} is not the published file (SHA-256 differs); remove it and fetch it again")
        _write_verified(path.parent, known | {path.name: seen})


def _read_verified(folder: Path) -> dict:
    try:
        known = json.loads((folder / _VERIFIED).read_text())
        return known if isinstance(known, dict) else {}
    except (OSError, ValueError):
        return {}


def _write_verified(folder: Path, known: dict) -> None:
    with suppress(OSError):  # a read-only data folder is fine: the archive is merely hashed again next time
        written = folder / f"{_VERIFIED}.partial"
        written.write_text(json.dumps(known, indent=1))
        written.replace(folder / _VERIFIED)


def sha256(path: Path) -> str:
    """SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def damaged(path: Path):
    """Turn what archive libraries raise for a broken file into one `UserError` that names it."""
    try:
        yield
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise UserError(f"{path} is truncated or damaged ({reason}); remove it and fetch it again") from error


@dataclass(frozen=True)
class Member:
    """A file inside an archive or folder: its name (with `/`), how it is opened, and its size in an archive (bytes)."""

    name: str
    archive: Path
    open: Callable[[], IO[bytes]]
    size: int = 0
    file: Path | None = None

    def payload(self) -> bytes | Path:
        """What an image decoder takes: the file of a folder, or the content. Raises `UserError` as `read` does."""
        return self.file or self.read()

    def read(self) -> bytes:
        """The content.

        Raises `UserError` if the archive is damaged here, or if it claims to hold more here than any published one, as
        an archive bomb does.
        """
        if self.size > MAX_MEMBER_BYTES:
            what = f"a member of {self.size:,} bytes ({self.name[:80]})"
            raise UserError(f"{self.archive} has {what}; it is not the published archive")
        with damaged(self.archive), self.open() as file:
            return file.read()


def members(path: Path) -> Iterator[Member]:
    """The files of a zip, a tar (compressed or not) or a folder, in stored order; read each before going to the next.

    Names are relative to the archive, or to the folder's parent. Raises `UserError` for damage and for unsafe names.
    """
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield Member(file.relative_to(path.parent).as_posix(), path, partial(file.open, "rb"), file=file)
        return
    with damaged(path):
        if path.name.endswith(".zip"):
            yield from _zip_members(path)
        else:
            with tarfile.open(path, "r|*") as archive:
                yield from tar_members(archive, path)


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            _check_name(entry.filename, path)
            if not entry.is_dir():
                yield Member(entry.filename, path, partial(archive.open, entry), entry.file_size)


def tar_members(archive: tarfile.TarFile, path: Path) -> Iterator[Member]:
    """The regular files of an open tar stream; `path` is what errors call it."""
    for entry in archive:
        _check_name(entry.name, path)
        name = entry.name.removeprefix("./")
        if entry.issym() or entry.islnk():
            yield Member(name, path, partial(_refuse_link, entry.name, path))
        elif entry.isfile():
            yield Member(name, path, partial(archive.extractfile, entry), entry.size)


def _refuse_link(name: str, path: Path) -> IO[bytes]:
    raise UserError(f"{path} holds a link instead of the file {name}; it is not the published archive")


def _check_name(name: str, path: Path) -> None:
    """Raise `UserError` for a member name that points out of its archive: no published archive has one."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UserError(f"{path} has a member outside its own folder ({name[:80]}); it is not the published archive")


def pick(path: Path, names: set[str], files: Callable[[Path], Iterator[Member]] = members) -> Iterator[Member]:
    """Those `files` of `path` that have these names, each once, in stored order. Raises `UserError` if any lacks."""
    left = set(names)
    for member in files(path):
        if member.name in left:
            left.discard(member.name)
            yield member
            if not left:
                return
    if left:
        raise UserError(f"{path} lacks {len(left)} of {len(names)} files: {listed(sorted(left), 5)}")


def text_of(path: Path, *names: str) -> list[str]:
    """The text of these members, in the order asked for."""
    found = {member.name: member.read() for member in pick(path, set(names))}
    try:
        return [found[name].decode("utf-8") for name in names]
    except UnicodeDecodeError:
        raise UserError(f"{path}: one of {listed(names)} is not text; it is not the published archive") from None
