"""Conversion and check of a path that a user gives, on the command line or in Python."""

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from spinlock.errors import DataError


def user_path(value: object, where: str = "") -> Path:
    """Return a path, with a leading ``~`` or ``~user`` replaced by the home directory.

    A shell replaces ``~`` in ``--output ~/x``, but not in ``--output=~/x``, and Python never does.

    Parameters
    ----------
    value
        Text or a path.
    where
        Name of the option or argument, for the error message.

    Raises
    ------
    DataError
        The value is not a path, is empty, contains a NUL character, or begins with ``~user`` of an unknown user.
    """
    expected = "a path that is not empty"
    if not isinstance(value, str | os.PathLike):
        shown = " ".join(repr(value).split())  # the text of an array has several lines
        raise DataError(f"got {shown:.100}", where=where, expected=expected)
    text = os.fsdecode(value)
    if not text.strip() or "\0" in text:
        raise DataError(f"got {text!r:.100}", where=where, expected=f"{expected} and has no NUL character")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        user = text.partition(os.sep)[0]
        raise DataError(
            f"got {text!r:.100}, and the home directory of {user} is not known",
            where=where,
            expected="a known user after ~",
            remedy="name a directory that begins with ~ by its absolute path",
        ) from None


def is_special_file(path: Path) -> bool:
    """Return whether a path is a pipe, a device or a socket.

    They are not opened as inputs: an open pipe waits for a writer, and a device such as /dev/zero has no end.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (S_ISREG(mode) or S_ISDIR(mode))
