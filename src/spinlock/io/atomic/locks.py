"""Locks of output files and directories. The operating system releases a lock when its process ends.

A lock is a file ``.spinlock-<hash>.lock`` that its process holds with flock(2). The hash is that of the name of the
output in the same directory. The file contains the process, its command and its host, so that a second process can name
the first one, and for a directory also the names of the files that the process writes there. It is removed when the
lock is released. A killed process leaves the file, but not the lock; the next process takes the file over.

A file system may have no locks. Then outputs are written without one, and one warning says so.
"""

import errno
import fcntl
import hashlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from spinlock.errors import OutputError
from spinlock.io.atomic.holders import describe, description_of, stored_description

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""Errors of flock(2) if another process holds the lock."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, 524)
"""Errors of file systems without locks, such as some NFS and Lustre mounts; 524 is ENOTSUPP of the Linux kernel."""

UNSUPPORTED = (*NO_LOCKS, errno.EINVAL)
"""Errors of flock(2) if the file system has no locks."""

WAIT_SECONDS = 1.0
"""Time for which a lock is tried again. A process that removes leftovers holds the lock of each for a moment."""

POLL_SECONDS = 0.02
_log = logging.getLogger(__name__)


class _Warned:
    without_locks = False


def output_id(name: str) -> str:
    """Return twelve hexadecimal digits for the name of an output in its directory."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]


def lock_path(directory: Path, identifier: str) -> Path:
    """Return the path of the lock with the identifier :func:`output_id`."""
    return directory / f".spinlock-{identifier}.lock"


class OutputLock:
    """The lock of an output.

    Parameters
    ----------
    path
        Path of the lock file.
    descriptor
        Open file descriptor that holds the lock, or None if the file system has no locks.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    @property
    def is_exclusive(self) -> bool:
        """Whether the output is locked; false if the file system has no locks."""
        return self._descriptor is not None

    def moved(self, directory: Path) -> None:
        """Note that the directory of the lock file was renamed."""
        self.path = directory / self.path.name

    def release(self) -> None:
        """Remove the lock file and release the lock."""
        if self._descriptor is not None:
            with suppress(OSError):
                self.path.unlink()
            # An interrupt can be raised directly after os.close, and then release is called again.
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def acquire(path: Path, where: Path | str, outputs: Sequence[str] = ()) -> OutputLock:
    """Lock an output.

    Parameters
    ----------
    path
        Path of the lock file, from :func:`lock_path`.
    where
        The output, for the error message.
    outputs
        Names of the files of a directory that are locked with it.

    Returns
    -------
    OutputLock

    Raises
    ------
    OutputError
        Another process holds the lock; the message names it.
    OSError
        The lock file cannot be created.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        lock = try_acquire(path, outputs)
        if lock is not None:
            return lock
        if time.monotonic() >= deadline:
            raise held_error(description_of(path), where)
        time.sleep(POLL_SECONDS)


def try_acquire(path: Path, outputs: Sequence[str] = ()) -> OutputLock | None:
    """Return the lock, or None if another process holds it. The parameters and errors are those of :func:`acquire`."""
    descriptor, writable = _open(path, os.O_CREAT)
    try:
        state = _flock(descriptor)
        if state == "unsupported":
            path.unlink(missing_ok=True)
            _warn_once(path.parent)
            return OutputLock(path, None)
        if state == "held" or not _is_same_file(descriptor, path):
            return None
        if not writable:  # the lock of a killed process of another user; a new file can be described
            path.unlink()
            return None
        describe(descriptor, outputs)
        lock, descriptor = OutputLock(path, descriptor), -1
        return lock
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def holder(path: Path) -> str | None:
    """Return a description of the process that holds the lock ``path``, or None if nobody holds it."""
    try:
        descriptor, _ = _open(path)
    except OSError:
        return None
    try:
        return description_of(path) if _flock(descriptor) == "held" else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def holder_of_output(path: Path, output: str) -> str | None:
    """Return a description of another process that holds the directory lock ``path`` and writes ``output`` there."""
    description = holder(path)
    try:
        stored = stored_description(path) if description is not None else {}
    except (OSError, ValueError):
        return None
    outputs = stored.get("outputs")
    is_own = (stored.get("pid"), stored.get("host")) == (os.getpid(), socket.gethostname())
    return description if isinstance(outputs, list) and output in outputs and not is_own else None


def held_error(description: str, where: Path | str) -> OutputError:
    """Return the error for an output that another process writes."""
    remedy = "wait until it has finished, or choose another output"
    return OutputError(f"is being written by {description}", where=str(where), remedy=remedy)


def _open(path: Path, flags: int = 0) -> tuple[int, bool]:
    """Open a lock file. Return its descriptor, and whether it is writable; that of another user may not be."""
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | flags, 0o666), True
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW), False


def _flock(descriptor: int) -> str:
    """Lock a file without waiting. Return ``locked``, ``held`` (by another process) or ``unsupported``."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return "held"
        if error.errno in UNSUPPORTED:
            return "unsupported"
        raise
    return "locked"


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the one at ``path``; its holder removes it when it releases the lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _warn_once(directory: Path) -> None:
    """Warn that a file system has no locks."""
    if not _Warned.without_locks:
        _Warned.without_locks = True
        _log.warning(
            "note: the file system of %s has no locks; do not write one output with two commands at the same time",
            directory,
        )
