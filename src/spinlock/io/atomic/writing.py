"""Writing of complete files, and the check before the work that a file can be written."""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from spinlock.errors import OutputError
from spinlock.io.atomic.directories import check_not_locked_with_directory
from spinlock.io.atomic.locks import held_error, holder, lock_path, output_id
from spinlock.io.atomic.temporaries import Temporary, create_parents, remove_leftovers, sync
from spinlock.io.output_errors import output_error
from spinlock.paths import user_path

WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that only a write can cause, so they concern the output."""

STREAMS = re.compile(r"//?dev/(stdin|stdout|stderr|fd/.*)|//?proc/[^/]+(/task/[^/]+)?/fd/.*")
"""Paths that name an open file of a process, not a file in a directory."""

MAX_LINKS = 40
"""Maximum number of symbolic links on the way to a file, as in Linux."""

OVERWRITE_REMEDY = "pass overwrite=True to replace it"


def write_files(contents: Mapping[Path, bytes], *, overwrite: bool = True) -> None:
    """Write several files. All temporary files are complete on disk before the first one is renamed.

    Parameters
    ----------
    contents
        {path: content}; the files are renamed in this order.
    overwrite
        Whether existing files are replaced.

    Raises
    ------
    OutputError
        A file could not be written, exists while ``overwrite`` is false, or is being written by another process; all
        temporary files are removed.
    """
    created_directories: list[Path] = []
    pending: list[Temporary] = []
    created: list[Path] = []
    current = Path()
    try:
        for path, data in contents.items():
            current = path
            target = _resolved(path)
            check_not_locked_with_directory(target, path)
            create_parents(target, created_directories)
            pending.append(Temporary.create(target, path))
            _write_synced(pending[-1].path, data)
        for temporary in list(pending):
            current = temporary.target
            temporary.publish(overwrite=overwrite)
            pending.remove(temporary)
            created.append(current)
    except BaseException as error:
        if not overwrite:
            for path in created:
                path.unlink(missing_ok=True)
        _clean_up(pending, created_directories)
        if isinstance(error, FileExistsError):
            raise _appeared_error(current) from error
        if isinstance(error, OSError):
            raise output_error(error, current) from error
        raise


@contextmanager
def replacing(path: Path | str, *, overwrite: bool = True) -> Iterator[Path]:
    """Provide a temporary file to write to, which is renamed to ``path`` at the end of the ``with`` block.

    Temporary files that killed processes left in the directory are removed. If the block fails, the file is removed.

    Parameters
    ----------
    path
        The target.
    overwrite
        Whether an existing target is replaced.

    Yields
    ------
    Path
        An empty file in the directory of the target.

    Raises
    ------
    OutputError
        The directory or file could not be created, written or renamed, the target exists at the end while ``overwrite``
        is false, or another process writes it.
    """
    created_directories: list[Path] = []
    temporary: Temporary | None = None
    in_block = False
    try:
        target = _resolved(path)
        check_not_locked_with_directory(target, path)
        create_parents(target, created_directories)
        temporary = Temporary.create(target, path)
        remove_leftovers(target.parent)
        in_block = True
        yield temporary.path
        in_block = False
        sync(temporary.path)
        temporary.publish(overwrite=overwrite)
    except BaseException as error:
        _clean_up([temporary] if temporary else [], created_directories)
        if isinstance(error, FileExistsError) and not in_block:
            raise _appeared_error(path) from error
        if isinstance(error, OSError):
            concerns_output = error.errno in WRITE_ERRORS or (temporary and error.filename == str(temporary.path))
            if concerns_output or not in_block:
                raise output_error(error, path) from error
        raise


def check_writable(
    path: Path | str, *, overwrite: bool, inputs: Iterable[Path | str] = (), locked_with_directory: bool = False
) -> None:
    """Check before the work that :func:`replacing` can write a file.

    An empty file is created in the directory and removed.

    Parameters
    ----------
    path
        The target.
    overwrite
        Whether an existing target may be replaced.
    inputs
        Files that must not be the target.
    locked_with_directory
        Whether the caller locks the directory of the target, so that it need not be free yet.

    Raises
    ------
    OutputError
        The target exists and ``overwrite`` is false, it is one of the inputs, it is not a regular file, another process
        writes it, or no file can be created in its directory.
    """
    path = user_path(path)
    try:
        target = _resolved(path)
        if target.exists():
            _check_existing(path, overwrite, inputs)
        ancestor = next(parent for parent in target.parents if parent.exists())
        if not ancestor.is_dir():
            raise OSError(errno.ENOTDIR, "not a directory")
        if not os.access(ancestor, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "not writable")
        if (description := holder(lock_path(target.parent, output_id(target.name)))) is not None:
            raise held_error(description, path)
        if not locked_with_directory:
            check_not_locked_with_directory(target, path)
        _probe(ancestor)
    except OSError as error:
        raise output_error(error, path) from error


def _check_existing(path: Path, overwrite: bool, inputs: Iterable[Path | str]) -> None:
    """Raise an :class:`OutputError` if an existing target must not be replaced."""
    if any(Path(source).exists() and path.samefile(source) for source in inputs):
        raise OutputError("is also the input", where=str(path), remedy="choose another output")
    if not overwrite:
        raise OutputError("exists already", where=str(path), remedy=OVERWRITE_REMEDY)


def _appeared_error(path: Path | str) -> OutputError:
    """Return the error for a target that another program has created while this one worked."""
    return OutputError(
        "exists already: it was created while this command ran", where=str(path), remedy=OVERWRITE_REMEDY
    )


def _resolved(path: Path | str) -> Path:
    """Return the absolute path with links resolved, or raise an error if it is a directory or a device."""
    target = Path(os.path.realpath(user_path(path)))
    if any(place.is_symlink() for place in (target, *target.parents)):  # the other links are resolved
        raise OSError(errno.ELOOP, "is a link that leads back to itself")
    if target.is_dir():
        raise OSError(errno.EISDIR, "is a directory")
    if _is_stream(path) or (target.exists() and not target.is_file()):
        raise OutputError("is not a regular file", where=str(path), remedy="choose another output")
    return target


def _is_stream(path: Path | str) -> bool:
    """Return whether a path is an open file of a process, also through symbolic links such as that of /dev/stdout.

    The links are followed one by one, because the file that the process has opened may be a regular one.
    """
    place = Path(path)
    for _ in range(MAX_LINKS):
        place = Path(os.path.realpath(place.parent)) / place.name
        if STREAMS.fullmatch(str(place)):
            return True
        if not place.is_symlink():
            return False
        place = place.parent / place.readlink()
    return False


def _write_synced(path: Path, data: bytes) -> None:
    """Write the content of a file and wait until it is on disk."""
    with path.open("r+b") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _probe(directory: Path) -> None:
    """Create and remove an empty file, because permission bits are not reliable for root and on some file systems."""
    path = directory / f".spinlock-{secrets.token_hex(6)}.tmp"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    path.unlink(missing_ok=True)


def _clean_up(temporaries: Iterable[Temporary], created_directories: list[Path]) -> None:
    """Remove the temporary files, and each created directory if it is empty."""
    for temporary in temporaries:
        temporary.discard()
    for directory in reversed(created_directories):
        with suppress(OSError):
            directory.rmdir()
