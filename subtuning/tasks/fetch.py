"""Fetching the published archives of a VTAB task: resumed where it stopped, tried again, and checked before use."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from subtuning.errors import UserError
from subtuning.tasks.vtab.files import Archive, find, sha256
from subtuning.tasks.write import check_space

TRIES = 5
_WAIT = 2.0
"""Seconds before the second try; doubled before each further one."""
_TIMEOUT = 60
_CHUNK = 1 << 20


def fetch_task(spec, *, progress: bool = True) -> list[Path]:
    """Make sure that every file of the VTAB task `spec` lies in its `data_dir`; returns their paths, as registered.

    Nothing is fetched that is there already. Raises `UserError`: with the steps to take, if files must be fetched by
    hand; naming file and addresses, if no address gave it; if a file that is there is not the published one.
    """
    from filelock import FileLock

    from subtuning.tasks.sources.vtab import check_by_hand, is_scaled_down
    from subtuning.tasks.vtab.registry import TASKS

    entry = TASKS[spec.name]
    folder = Path(spec.data_dir) / entry.data_set
    check_by_hand(entry, folder)
    check = not is_scaled_down(Path(spec.data_dir))
    if any(find(folder, archive, check=check) is None for archive in entry.files):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".fetch.lock"):  # two tasks of one data set may be fetched at once
            missing = [archive for archive in entry.files if find(folder, archive, check=check) is None]
            check_space(folder, sum(archive.size for archive in missing), "for archives")
            for archive in missing:
                fetch(folder, archive, progress)
    return [find(folder, archive, check=False) for archive in entry.files]


def fetch(folder: Path, archive: Archive, progress: bool = True, wait: float = _WAIT) -> Path:
    """Fetch one archive into `folder` through `<file>.part`, which a later call continues. Raises `UserError`."""
    folder.mkdir(parents=True, exist_ok=True)
    part, problems = folder / f"{archive.file}.part", []
    for url, pause in _tries(archive.urls, wait):
        time.sleep(pause)
        try:
            _continue(url, part, archive, progress)
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            problems.append(f"{urlsplit(url).hostname}: {_reason(error)}")
            continue
        if archive.sha256 and sha256(part) != archive.sha256:
            part.unlink()  # whatever it is, nothing can be continued from it
            problems.append(f"{urlsplit(url).hostname}: SHA-256 differs")
            continue
        return part.replace(folder / archive.file)
    raise UserError(
        f"{archive.file} could not be fetched ({'; '.join(dict.fromkeys(problems))}); try again later to continue, "
        f"or put the file, from {' or '.join(archive.urls)}, into {folder}"
    )


def _tries(urls: tuple[str, ...], wait: float) -> Iterator[tuple[str, float]]:
    """Every address in turn, `TRIES` times, with growing pauses between the rounds."""
    for n in range(TRIES):
        for i, url in enumerate(urls):
            yield url, wait * 2 ** (n - 1) if n and not i else 0.0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    return " ".join(str(getattr(error, "reason", error)).split())[:80] or type(error).__name__


def _continue(url: str, part: Path, archive: Archive, progress: bool) -> None:
    """Append what is missing to `part`. Raises `OSError` if the transfer does not reach the published size."""
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    if archive.size and start >= archive.size:
        if start > archive.size:
            part.unlink()
            raise OSError("more bytes than were published")
        return
    headers = {"User-Agent": "subtuning"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    shown = {"unit": "B", "unit_scale": True}
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        continued = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        start = start if continued else 0  # a server that cannot continue sends everything
        with (
            part.open("ab" if continued else "wb") as file,
            tqdm(initial=start, total=archive.size or None, desc=archive.file, disable=not progress, **shown) as bar,
        ):
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if archive.size and part.stat().st_size < archive.size:
        raise OSError(f"ended after {part.stat().st_size:,} of {archive.size:,} bytes")
