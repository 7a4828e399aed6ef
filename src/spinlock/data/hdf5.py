"""HDF5 files that fail in one line: opening for reading, and writing beside the target."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from spinlock.errors import DataError


def open_hdf5(path: Path) -> Any:
    """An h5py.File opened read-only.

    Raises:
        DataError: missing, not a regular file, unreadable, not HDF5, truncated, or locked by another process.
    """
    where = str(path)
    try:
        if not path.exists():
            raise DataError("no such file", where=where)
        if path.is_dir():
            raise DataError("is a directory", where=where, expected="an HDF5 file")
        if not path.is_file():
            raise DataError("is not a regular file", where=where, expected="an HDF5 file")
        return h5py.File(path, "r")
    except OSError as error:
        raise _open_fault(error, where) from error


def _open_fault(error: OSError, where: str) -> DataError:
    text = str(error)
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK) or "unable to lock file" in text:
        return DataError(
            "is locked by another process that writes it",
            where=where,
            remedy="wait until that process has finished",
        )
    if "truncated file" in text:
        return DataError("is truncated: the file ends too early", where=where, remedy="copy or make it again")
    if "signature not found" in text:
        return DataError("is not an HDF5 file", where=where, expected="an HDF5 file")
    return DataError(f"cannot be opened: {brief(error)}", where=where)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever h5py raises for damaged contents of ``path`` into a DataError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(
            f"cannot be read: {brief(error)}", where=str(path), remedy="copy or make it again"
        ) from error


def brief(error: BaseException) -> str:
    """The system's words for an error, or the first line of what HDF5 says."""
    if (
        isinstance(error, OSError)
        and error.strerror
        and "\n" not in error.strerror
        and "(" not in error.strerror
    ):
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0].strip("\"' ")
