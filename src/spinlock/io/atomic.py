"""Atomic writing: files are written beside their target, synced, and then renamed to the target.

After a failure or Ctrl-C the temporary files, and the directories that were created for them, are removed, and the
target is unchanged. Only a killed process leaves a ``.spinlock-*.tmp`` file beside the target. If the target is a
symbolic link, the link remains and the file to which it points is replaced.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from spinlock.errors import OutputError
from spinlock.io.output_errors import output_error

TEMPORARY_NAME = re.compile(r"\.spinlock-[0-9a-f]{12}\.tmp")
"""Pattern of the names of temporary files."""

WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that only a write can cause, so they concern the output."""


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write several files. All temporary files are complete on disk before the first one is renamed.

    Parameters
    ----------
    contents
        {path: content}; the files are renamed in this order.

    Raises
    ------
    OutputError
        A file could not be written; all temporary files are removed.
    """
    created_directories: list[Path] = []
    pending: dict[Path, Path] = {}
    current = Path()
    try:
        for path, data in contents.items():
            current = path
            target = _resolved(path)
            _create_parents(target, created_directories)
            temporary = _temporary_path(target)
            pending[temporary] = target
            _write_synced(temporary, data)
        for temporary, target in list(pending.items()):
            current = target
            temporary.replace(target)
            del pending[temporary]
            _sync_directory(target.parent)
    except BaseException as error:
        _clean_up(pending, created_directories)
        if isinstance(error, OSError):
            raise output_error(error, current) from error
        raise


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Provide a temporary path to write to, which is renamed to ``path`` at the end of the ``with`` block.

    If the block fails, the temporary file is removed.

    Parameters
    ----------
    path
        The target.

    Yields
    ------
    Path
        A path in the directory of the target.

    Raises
    ------
    OutputError
        The directory or file could not be created, written or renamed.
    """
    created_directories: list[Path] = []
    temporary: Path | None = None
    in_block = False
    try:
        target = _resolved(path)
        _create_parents(target, created_directories)
        temporary = _temporary_path(target)
        in_block = True
        yield temporary
        in_block = False
        _sync(temporary)
        temporary.replace(target)
        _sync_directory(target.parent)
    except BaseException as error:
        _clean_up([temporary] if temporary else [], created_directories)
        if isinstance(error, OSError):
            concerns_output = error.errno in WRITE_ERRORS or error.filename == str(temporary)
            if concerns_output or not in_block:
                raise output_error(error, path) from error
        raise


def check_writable(path: Path | str, *, overwrite: bool, inputs: Iterable[Path | str] = ()) -> None:
    """Check that :func:`replacing` will be able to write a file, before the work starts; nothing is written.

    Parameters
    ----------
    path
        The target.
    overwrite
        Whether an existing target may be replaced.
    inputs
        Files that must not be the target.

    Raises
    ------
    OutputError
        The target exists and ``overwrite`` is false, it is one of the inputs, it is not a regular file, or no file can
        be created in its directory.
    """
    path = Path(path)
    try:
        target = _resolved(path)
        if target.exists():
            _check_existing(path, overwrite, inputs)
        ancestor = next(parent for parent in target.parents if parent.exists())
        if not ancestor.is_dir():
            raise OSError(errno.ENOTDIR, "not a directory")
        if not os.access(ancestor, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "not writable")
        _probe(ancestor)
    except OSError as error:
        raise output_error(error, path) from error


def remove_temporaries(directory: Path) -> None:
    """Remove the temporary files of killed processes from a directory; errors are ignored."""
    with suppress(OSError):
        for path in directory.iterdir():
            if TEMPORARY_NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)


def _check_existing(path: Path, overwrite: bool, inputs: Iterable[Path | str]) -> None:
    """Raise an :class:`OutputError` if an existing target must not be replaced."""
    if any(Path(source).exists() and path.samefile(source) for source in inputs):
        raise OutputError("is also the input", where=str(path), remedy="choose another output")
    if not overwrite:
        raise OutputError("exists already", where=str(path), remedy="pass --overwrite to replace it")


def _resolved(path: Path | str) -> Path:
    """Return the absolute path with links resolved, or raise an error if it is a directory or a device."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OSError(errno.EISDIR, "is a directory")
    if target.exists() and not target.is_file():
        raise OutputError("is not a regular file", where=str(path), remedy="choose another output")
    return target


def _temporary_path(target: Path) -> Path:
    """Return a new path in the directory of ``target``.

    The name does not contain that of the target, which can have the maximum length already.
    """
    return target.parent / f".spinlock-{secrets.token_hex(6)}.tmp"


def _create_parents(target: Path, created: list[Path]) -> None:
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


def _write_synced(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Wait until the content of a file or directory is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    """Wait until a renaming is on disk, if the file system can sync directories."""
    with suppress(OSError):
        _sync(directory)


def _probe(directory: Path) -> None:
    """Create and remove an empty file, because permission bits are not reliable for root and on some file systems."""
    path = _temporary_path(directory / "probe")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    path.unlink()


def _clean_up(temporaries: Iterable[Path], created_directories: list[Path]) -> None:
    """Remove the temporary files, and each created directory if it is empty."""
    for temporary in temporaries:
        with suppress(OSError):
            temporary.unlink()
    for directory in reversed(created_directories):
        with suppress(OSError):
            directory.rmdir()
