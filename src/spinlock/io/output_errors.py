"""Messages for system errors that occur while a file is written."""

import errno
from pathlib import Path

from spinlock.errors import OutputError

MESSAGES = {
    errno.ENOSPC: ("no space is left on the device", "free some space, or choose another output"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another output"),
    errno.EFBIG: (
        "the file grows beyond the allowed size",
        "raise the limit (ulimit -f), or choose another output",
    ),
    errno.EROFS: ("the file system is read-only", "choose another output"),
    errno.EACCES: ("no permission to write there", "choose another output"),
    errno.EPERM: ("no permission to write there", "choose another output"),
    errno.ENOTDIR: ("a part of its path is a file, not a directory", "choose another output"),
    errno.ELOOP: ("it is, or is below, a symbolic link that leads back to itself", "choose another output"),
    errno.EISDIR: ("is a directory", "choose a file name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EIO: ("the device failed while writing", "check the disk"),
}
"""{system error: (message, remedy)} for an output file."""


def output_error(error: BaseException, path: Path | str) -> OutputError:
    """Convert an error while writing a file to an :class:`OutputError`.

    Parameters
    ----------
    error
        The error. If it is not one of :data:`MESSAGES`, its own message is used.
    path
        The file.

    Returns
    -------
    OutputError
        An error with a message of one line.
    """
    number = error.errno if isinstance(error, OSError) else None
    message, remedy = MESSAGES.get(number or 0, ("", ""))
    if not message:
        strerror = error.strerror if isinstance(error, OSError) else None
        message = (strerror or str(error) or type(error).__name__).splitlines()[0]
    return OutputError(f"cannot be written: {message}", where=str(path), remedy=remedy)
