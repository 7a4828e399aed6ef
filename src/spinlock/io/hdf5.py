"""HDF5 files that fail in one line: opening one to read, and writing one beside its target.

HDF5 does not survive a disk that fills up: it tries to flush again when the file is closed and once more at
the exit of the process, prints its error stack each time and may crash. So files are written through
:class:`_Sink`, which raises the first failure once and from then on only pretends to write; the file then
closes cleanly and is thrown away.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py

from spinlock.errors import DataError
from spinlock.io.atomic import check_writable, output_error, replacing


def open_hdf5(path: Path) -> Any:
    """An h5py.File opened read-only.

    Raises:
        DataError: missing, not a regular file, unreadable, not HDF5, truncated, or locked by another process.
    """
    where = str(path)
    try:
        if not path.exists():
            raise DataError("no such file", where=where, remedy="name an existing HDF5 file")
        if path.is_dir():
            raise DataError("is a directory", where=where, expected="an HDF5 file")
        if not path.is_file():
            raise DataError("is not a regular file", where=where, expected="an HDF5 file")
        return h5py.File(path, "r")
    except OSError as error:
        raise _open_fault(error, where) from error


def _open_fault(error: OSError, where: str) -> DataError:
    text = str(error)
    if error.errno == errno.EAGAIN:
        return DataError(
            "is locked by a process that writes it", where=where, remedy="wait until that one has finished"
        )
    if "truncated file" in text:
        return DataError("is truncated: the file ends too early", where=where, remedy="copy or make it again")
    if "signature not found" in text:
        return DataError("is not an HDF5 file", where=where, expected="an HDF5 file")
    return DataError(f"cannot be opened: {_brief(error)}", where=where)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever h5py raises for damaged contents of ``path`` into a DataError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"cannot be read: {_brief(error)}", where=str(path), remedy="copy or make it again") from error


def _brief(error: BaseException) -> str:
    """The system's words for an error, or the first line of what HDF5 says."""
    number = getattr(error, "errno", None)
    if number:
        return os.strerror(number)
    return (str(error).splitlines() or [type(error).__name__])[0].strip("\"' ")


@contextmanager
def writing_hdf5(path: Path | str, *, overwrite: bool = False) -> Iterator[Any]:
    """A new h5py.File that appears at ``path`` when the block ends well; otherwise nothing is left of it.

    Raises:
        OutputError: the target exists and ``overwrite`` is false, or cannot be written; whatever the disk
        does, there is
            one error and no output of HDF5's own.
    """
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    with replacing(path) as temporary:
        sink = _Sink(temporary)
        try:
            file = h5py.File(sink, "w")
            try:
                yield file
            finally:
                sink.closing = True
                file.close()
        except Exception:
            if sink.failure is None:
                raise
        finally:
            sink.close()
        if isinstance(sink.failure, OSError):
            raise output_error(sink.failure, path) from sink.failure
        if sink.failure is not None:
            raise sink.failure


class _Sink:
    """The file object behind an HDF5 file that is being written.

    The first failure is raised through HDF5 while the file is in use, and only remembered in ``failure``
    while it is being ``closing``; afterward nothing is written any more, what was not written reads as
    zeros, and HDF5 notices nothing. An interrupt that arrives inside HDF5's closing is kept in the same way.
    """

    def __init__(self, path: Path) -> None:
        self.closing = False
        self.failure: BaseException | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._position = 0
        self._end = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        """``size`` bytes; h5py takes an object with this method for a file."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        found = os.pread(self._file, len(view), self._position)
        view[:] = found.ljust(len(view), b"\0")
        self._position += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._attempt(self._write_all, view)
        self._position += len(view)
        self._end = max(self._end, self._position)
        return len(view)

    def truncate(self, size: int) -> int:
        self._attempt(os.ftruncate, self._file, size)
        self._end = size
        return size

    def flush(self) -> None:
        """Nothing is buffered here; the file is synced before it is renamed."""

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._file)

    def _write_all(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            done += os.pwrite(self._file, view[done:], self._position + done)

    def _attempt(self, action: Any, *arguments: Any) -> None:
        if self.failure is not None:
            return
        try:
            action(*arguments)
        except BaseException as error:
            self.failure = error
            if not self.closing:
                raise
