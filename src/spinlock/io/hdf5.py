"""Opening HDF5 files to read, and writing them atomically, with error messages of one line.

HDF5 does not handle a full disk well: it tries to flush again when the file is closed and once more when the process
exits, it prints its error stack each time, and it can crash. Therefore files are written through :class:`_Sink`, which
raises the first failure once and ignores all later writes. HDF5 then closes the file without errors, and it is removed.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py

from spinlock.errors import DataError
from spinlock.io.atomic import check_writable, replacing
from spinlock.io.atomic.locks import NO_LOCKS
from spinlock.io.output_errors import output_error
from spinlock.paths import is_special_file


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file read-only.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    h5py.File

    Raises
    ------
    DataError
        The file is missing, not a regular file, not readable, not HDF5, truncated, or locked by another process.
    """
    where = str(path)
    try:
        if not path.exists():
            raise DataError("no such file", where=where, remedy="name an existing HDF5 file")
        if path.is_dir():
            raise DataError("is a directory", where=where, expected="an HDF5 file")
        if is_special_file(path):
            raise DataError("is not a regular file", where=where, expected="an HDF5 file")
        try:
            return h5py.File(path, "r")
        except OSError as error:
            if error.errno not in NO_LOCKS:  # a file system without locks: read without one
                raise
            return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise _open_error(error, where) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors of h5py in a ``with`` block, which damaged content of ``path`` causes, to a :class:`DataError`."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(
            f"cannot be read: {_summary(error)}", where=str(path), remedy="copy it again, or create it again"
        ) from error


@contextmanager
def writing_hdf5(path: Path | str, *, overwrite: bool = False) -> Iterator[Any]:
    """Write a new HDF5 file, which appears at ``path`` at the end of the ``with`` block.

    If the block fails, the file is removed. HDF5 itself prints nothing.

    Parameters
    ----------
    path
        The file.
    overwrite
        Whether an existing file is replaced.

    Yields
    ------
    h5py.File

    Raises
    ------
    OutputError
        The file exists at the beginning or at the end and ``overwrite`` is false, another process writes it, or it
        cannot be written.
    """
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    with replacing(path, overwrite=overwrite) as temporary:
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
    """The Python file object to which HDF5 writes.

    The first failure is stored in ``failure``. It is also raised, except while ``closing`` is true. After a failure all
    writes are ignored, and content that was not written is read as zeros, so that HDF5 sees no further errors. An
    interrupt (Ctrl-C) while HDF5 closes the file is stored in the same way.
    """

    def __init__(self, path: Path) -> None:
        self.closing = False
        self.failure: BaseException | None = None
        self._file = os.open(path, os.O_RDWR)
        self._position = 0
        self._end = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes; h5py requires this method of a file object."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        content = os.pread(self._file, len(view), self._position)
        view[:] = content.ljust(len(view), b"\0")
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
        """Do nothing, because writes are not buffered here and the file is synced before it is renamed."""

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._file)

    def _write_all(self, view: memoryview) -> None:
        written = 0
        while written < len(view):
            written += os.pwrite(self._file, view[written:], self._position + written)

    def _attempt(self, action: Any, *arguments: Any) -> None:
        """Call a function unless an earlier call failed, and store a failure."""
        if self.failure is not None:
            return
        try:
            action(*arguments)
        except BaseException as error:
            self.failure = error
            if not self.closing:
                raise


def _open_error(error: OSError, where: str) -> DataError:
    """Convert an error of h5py while it opens a file."""
    message = str(error)
    if error.errno == errno.EAGAIN:
        return DataError(
            "is locked by another process that writes it, or its file system has no locks",
            where=where,
            remedy="wait until this process has finished; if no process writes it, set HDF5_USE_FILE_LOCKING=FALSE",
        )
    if "already open for write" in message:
        return DataError(
            "was not closed by the program that wrote it",
            where=where,
            remedy="wait until this program has finished, or run h5clear -s on a copy",
        )
    if "truncated file" in message:
        return DataError("is truncated", where=where, remedy="copy it again, or create it again")
    if "signature not found" in message:
        return DataError("is not an HDF5 file", where=where, expected="an HDF5 file")
    return DataError(f"cannot be opened: {_summary(error)}", where=where)


def _summary(error: BaseException) -> str:
    """Return the message of the operating system, or else the first line of the message of HDF5."""
    number = getattr(error, "errno", None)
    if number:
        return os.strerror(number)
    return (str(error).splitlines() or [type(error).__name__])[0].strip("\"' ")
