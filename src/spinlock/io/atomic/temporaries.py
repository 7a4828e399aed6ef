"""Temporary files, their locks, and the removal of the files that killed processes leave.

The temporary file of an output is ``.spinlock-<hash>.tmp`` in its directory. It belongs to the process that holds the
lock of the same name. If nobody holds the lock, its process was killed. The next process that writes this output, that
locks this directory, or that calls :func:`~spinlock.io.atomic.replacing` in it removes the file. On a file system
without locks the file remains.
"""

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE

from spinlock.io.atomic.locks import OutputLock, acquire, lock_path, output_id, try_acquire

LEFTOVER = re.compile(r"\.spinlock-([0-9a-f]{12})\.(tmp|lock)")
"""Pattern of the names of temporary files and locks. On a file system without locks the name has another form, because
a file that is in use cannot be recognized there."""

SPECIAL_BITS = 0o6000
"""The bits of a mode that run a program as another user or group."""


@dataclass
class Temporary:
    """The temporary file of an output that this process has locked.

    Attributes
    ----------
    target
        The output, with links resolved.
    path
        The temporary file in the directory of the target.
    """

    target: Path
    path: Path
    _lock: OutputLock
    _replaced: os.stat_result | None

    @classmethod
    def create(cls, target: Path, where: Path | str) -> "Temporary":
        """Lock an output and create its empty temporary file; a file that a killed process left is replaced.

        Parameters
        ----------
        target
            The output, with links resolved.
        where
            Name of the output for error messages.

        Raises
        ------
        OutputError
            Another process writes this output.
        OSError
            No file can be created in the directory.
        """
        identifier = output_id(target.name)
        lock = acquire(lock_path(target.parent, identifier), where)
        unlocked = "" if lock.is_exclusive else f"-{secrets.token_hex(6)}"
        path = target.parent / f".spinlock-{identifier}{unlocked}.tmp"
        temporary = cls(target, path, lock, target.stat() if target.exists() else None)
        try:
            temporary.path.unlink(missing_ok=True)
            mode = 0o600 if temporary._replaced else 0o666  # a private file stays private while it is written again
            os.close(os.open(temporary.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        except BaseException:
            temporary.discard()
            raise
        return temporary

    def discard(self) -> None:
        """Remove the temporary file and release the lock."""
        with suppress(OSError):
            self.path.unlink()
        self._lock.release()

    def publish(self, *, overwrite: bool) -> None:
        """Give the complete file the name of its target, and release the lock.

        Parameters
        ----------
        overwrite
            Whether an existing target is replaced. The new file gets its mode, and if possible its owner.

        Raises
        ------
        FileExistsError
            The target exists and ``overwrite`` is false.
        OSError
            The file cannot be renamed.
        """
        if overwrite:
            self._copy_mode_and_owner()
            self.path.replace(self.target)
        else:
            self._rename_to_new_target()
        sync_directory(self.target.parent)
        self._lock.release()

    def _rename_to_new_target(self) -> None:
        """Rename the file, or raise :class:`FileExistsError` if the target exists."""
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: create the name first, then replace it
            os.close(os.open(self.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self.path.replace(self.target)
        else:
            self.path.unlink()

    def _copy_mode_and_owner(self) -> None:
        """Copy the mode and, as far as this user may, the owner of an existing target."""
        old = self.target.stat() if self.target.exists() else self._replaced
        if old is None:
            return
        new, mode = self.path.stat(), S_IMODE(old.st_mode)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            try:
                os.chown(self.path, old.st_uid, old.st_gid)
            except OSError:
                mode &= ~SPECIAL_BITS
                with suppress(OSError):
                    os.chown(self.path, -1, old.st_gid)
        self.path.chmod(mode)


def create_parents(target: Path, created: list[Path]) -> None:
    """Create the directories above ``target``, and append each new one to ``created``, outermost first."""
    missing = []
    for parent in target.parents:
        if parent.exists():
            break
        missing.append(parent)
    for parent in reversed(missing):
        with suppress(FileExistsError):
            parent.mkdir()
            created.append(parent)


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files and locks of killed processes from a directory; errors are ignored."""
    with suppress(OSError):
        found = [(match[1], entry.path) for entry in os.scandir(directory) if (match := LEFTOVER.fullmatch(entry.name))]
        for identifier in dict(found):
            with suppress(OSError):
                _remove_unless_locked(directory, identifier)


def _remove_unless_locked(directory: Path, identifier: str) -> None:
    """Remove a temporary file and its lock if nobody holds the lock."""
    lock = try_acquire(lock_path(directory, identifier))
    if lock is None or not lock.is_exclusive:
        return
    try:
        path = directory / f".spinlock-{identifier}.tmp"
        if path.is_file() and not path.is_symlink():
            path.unlink()
    finally:
        lock.release()


def sync(path: Path) -> None:
    """Wait until the content of a file or directory is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Wait until a renaming is on disk, if the file system can sync directories."""
    with suppress(OSError):
        sync(directory)
