"""The one exception that a user of this project should ever see."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user wrote or supplied is wrong.

    The message is one sentence (a list of offenders may follow it) that names the key or file and says what would be
    right. The command line prints it without a traceback and exits with status 2.
    """

    def __init__(self, message: str):
        message = printable(message)
        super().__init__(message if len(message) <= 2500 else f"{message[:1200]} ... {message[-1200:]}")


def printable(text: str) -> str:
    r"""Write what a terminal would obey or cannot show (line ends, escape codes, broken UTF-8) as ``\n``, ``\x1b`` ...

    File names may hold all of these.
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def trouble(error: OSError, what: object = "") -> UserError:
    """The sentence for what the system refuses: no permission, a full disk, a name that is too long, linked circles."""
    return UserError(f"{error.filename or what}: {(error.strerror or str(error)).lower()}")


KEPT = "and run the same command again, which goes on with what is missing"

PLACE_PROBLEMS = {
    errno.ENOSPC: f"the disk is full; make room {KEPT}",
    errno.EDQUOT: f"the disk quota is used up; make room {KEPT}",
    errno.EFBIG: f"the file would be larger than its file system or a limit (ulimit -f) allows; raise it {KEPT}",
    errno.EROFS: f"the file system is read-only; make it writable {KEPT}",
    errno.EACCES: f"permission denied; let this user read and write there {KEPT}",
    errno.EPERM: f"the operation is not permitted; let this user read and write there {KEPT}",
    errno.EIO: f"the disk reports an input/output error; repair or replace it {KEPT}",
    errno.EMFILE: f"too many files are open; raise the limit (ulimit -n) {KEPT}",
}
"""What the place where files lie can do to any command, and what the user does about it."""


def place_problem(error: OSError) -> str | None:
    """One sentence for an error that comes from the place where files lie, None for any other."""
    words = PLACE_PROBLEMS.get(error.errno or 0)
    return words and f"{error.filename or 'a file'}: {words}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` when a known word is close to `word`, else an empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(items: Iterable[object], limit: int = 10) -> str:
    """Join at most `limit` items, each of 200 letters at most, with commas and say how many more there are."""
    texts = [text if len(text := str(item)) <= 200 else f"{text[:100]}...{text[-90:]}" for item in items]
    more = f", and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more
