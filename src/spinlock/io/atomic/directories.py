"""The lock of an output directory, which one process at a time writes."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from spinlock.io.atomic.locks import (
    OutputLock,
    acquire,
    held_error,
    holder,
    holder_of_output,
    lock_path,
    output_id,
)
from spinlock.io.atomic.temporaries import create_parents, remove_leftovers
from spinlock.io.output_errors import output_error

DIRECTORY_LOCK_ID = output_id(".")
"""Identifier of the lock of a directory, which is in the directory itself."""


class DirectoryLock:
    """Holds the lock of a directory in a ``with`` block.

    The directory is created. Temporary files that killed processes left in it are removed. At the end of the block the
    directories that were created are removed if they are empty.

    Parameters
    ----------
    directory
        The directory.
    where
        Name of the output for error messages.
    files
        Files in the directory or below it that are locked with it; see :func:`check_not_locked_with_directory`.

    Raises
    ------
    OutputError
        Another process holds the lock, or the directory cannot be written. ``with`` raises it.
    """

    def __init__(self, directory: Path, where: Path | str | None = None, files: Iterable[Path] = ()) -> None:
        self.directory = Path(os.path.realpath(directory))
        self.where = directory if where is None else where
        paths = [Path(os.path.realpath(file.parent)) / file.name for file in files]
        self._outputs = [str(path.relative_to(self.directory)) for path in paths if self.directory in path.parents]
        self._created: list[Path] = []
        self._lock: OutputLock | None = None

    def __enter__(self) -> Self:
        try:
            self._lock = self._acquire()
            remove_leftovers(self.directory)
        except OSError as error:
            self._remove_created()
            raise output_error(error, self.where) from error
        except BaseException:
            self._remove_created()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.release()
        self._remove_created()

    def set_aside(self) -> Path:
        """Rename the locked directory to the first free ``<name>.1``, ``<name>.2``, ..., and create it again, locked.

        Returns
        -------
        Path
            The new path of the old directory.

        Raises
        ------
        OutputError
            The directory cannot be renamed.
        """
        assert self._lock is not None, "the directory is locked"
        number = 1
        while os.path.lexists(aside := self.directory.with_name(f"{self.directory.name}.{number}")):
            number += 1
        try:
            self.directory.rename(aside)
            self._lock.moved(aside)
            new = self._acquire()
        except OSError as error:
            raise output_error(error, self.where) from error
        self._lock.release()
        self._lock = new
        return aside

    def _acquire(self) -> OutputLock:
        path = lock_path(self.directory, DIRECTORY_LOCK_ID)
        create_parents(path, self._created)
        return acquire(path, self.where, self._outputs)

    def _remove_created(self) -> None:
        for directory in reversed(self._created):
            with suppress(OSError):
                directory.rmdir()
        self._created = []


def check_not_locked_with_directory(target: Path, where: Path | str) -> None:
    """Check that a file is not locked together with a directory above it, as the files of a running training are.

    Parameters
    ----------
    target
        The file, with links resolved.
    where
        Name of the output for the error message.

    Raises
    ------
    OutputError
        Another process holds the lock; the message names it.
    """
    for directory in target.parents:
        path = lock_path(directory, DIRECTORY_LOCK_ID)
        description = holder_of_output(path, str(target.relative_to(directory)))
        if description is not None:
            raise held_error(description, where)


def check_unlocked(directory: Path) -> None:
    """Raise an :class:`OutputError` if another process holds the lock of a directory; nothing is written."""
    description = holder(lock_path(directory, DIRECTORY_LOCK_ID))
    if description is not None:
        raise held_error(description, directory)
