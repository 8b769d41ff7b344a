"""The published archives in `data_dir`: where they are, whether they are whole, and what is in them."""

import hashlib
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
    try:
        partial = folder / f"{_VERIFIED}.partial"
        partial.write_text(json.dumps(known, indent=1))
        partial.replace(folder / _VERIFIED)
    except OSError:
        pass  # a read-only data folder is fine: the archive is merely hashed again next time


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


class Member:
    """A file inside an archive or folder: its name (with `/`), and its content as bytes or, in a folder, as a path."""

    def __init__(self, name: str, archive: Path, content: Callable[[], bytes | Path]):
        self.name = name
        self._archive = archive
        self._content = content

    def payload(self) -> bytes | Path:
        """What an image decoder takes. Raises `UserError` if the archive is damaged here."""
        with damaged(self._archive):
            return self._content()

    def read(self) -> bytes:
        """The content. Raises `UserError` if the archive is damaged here."""
        content = self.payload()
        return content.read_bytes() if isinstance(content, Path) else content


def members(path: Path) -> Iterator[Member]:
    """The files of a zip, a tar (compressed or not) or a folder, in stored order; read each before going to the next.

    Names are relative to the archive, or to the folder's parent. Raises `UserError` for damage and for unsafe names.
    """
    if path.is_dir():
        yield from (
            Member(file.relative_to(path.parent).as_posix(), path, lambda file=file: file)
            for file in sorted(path.rglob("*"))
            if file.is_file()
        )
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
            check_name(entry.filename, path)
            if not entry.is_dir():
                yield Member(entry.filename, path, lambda entry=entry: _content(archive.open, entry, path))


def tar_members(archive: tarfile.TarFile, path: Path) -> Iterator[Member]:
    """The regular files of an open tar stream; `path` is what errors call it."""
    for entry in archive:
        check_name(entry.name, path)
        if entry.issym() or entry.islnk():
            yield Member(_plain(entry.name), path, lambda entry=entry: _refuse_link(entry.name, path))
        elif entry.isfile():
            yield Member(_plain(entry.name), path, lambda entry=entry: _content(archive.extractfile, entry, path))


def _content(open_member: Callable, entry: zipfile.ZipInfo | tarfile.TarInfo, path: Path) -> bytes:
    """A member's bytes, unless it claims to hold more than any published one, as an archive bomb does."""
    is_zip = isinstance(entry, zipfile.ZipInfo)
    name, size = (entry.filename, entry.file_size) if is_zip else (entry.name, entry.size)
    if size > MAX_MEMBER_BYTES:
        raise UserError(f"{path} has a member of {size:,} bytes ({name[:80]}); it is not the published archive")
    with open_member(entry) as member:
        return member.read()


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _refuse_link(name: str, path: Path) -> bytes:
    raise UserError(f"{path} holds a link instead of the file {name}; it is not the published archive")


def check_name(name: str, path: Path) -> None:
    """Raise `UserError` for a member name that points out of its archive: no published archive has one."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UserError(f"{path} has a member outside its own folder ({name[:80]}); it is not the published archive")


def pick(path: Path, names: set[str]) -> Iterator[Member]:
    """The members with these names, each once, in stored order. Raises `UserError` that lists missing ones."""
    left = set(names)
    for member in members(path):
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
