"""How a path that a user wrote is read: one function for the config, the command line and all rooms."""

import os
import re


def user_path(text: str) -> str:
    """A path of the config or the command line with a leading `~` or `~user` replaced by that home folder.

    Nothing else is expanded: `$NAME` stays as it is, because jobs on other machines would see another value, and it can
    be part of a name (see `not_expanded`).
    """
    return os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser fails where there is no such user


def not_expanded(path: object) -> str:
    """What a sentence about a missing path adds if the path holds a variable, else an empty text."""
    found = re.search(r"\$\w+|\$\{\w+\}", str(path))
    return f" ({found[0]} is taken as it is written; only ~ is expanded)" if found else ""
