"""Files appear whole or not at all: written beside their target, synced, then renamed into place.

A failure, Ctrl-C included, removes the temporaries and the directories made for them and leaves the target as
it was; only a killed process leaves a ``.spinlock-*.tmp`` behind, and the last good file with it. A symbolic
link stays a link: the file that it points to is replaced.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from spinlock.errors import OutputError

WORDS = {
    errno.ENOSPC: ("no space is left on the device", "free some, or choose another output"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another output"),
    errno.EFBIG: (
        "the file grows beyond the allowed size",
        "raise the limit (ulimit -f), or choose another output",
    ),
    errno.EROFS: ("the file system is read-only", "choose another output"),
    errno.EACCES: ("no permission to write there", "choose another output"),
    errno.EPERM: ("no permission to write there", "choose another output"),
    errno.ENOTDIR: ("a part of its path is a file, not a directory", "choose another output"),
    errno.EISDIR: ("is a directory", "choose a file name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EIO: ("the device failed while writing", "check the disk"),
}
"""What a system error means for an output, and what to do about it."""

TEMPORARY = re.compile(r"\.spinlock-[0-9a-f]{12}\.tmp")
"""Names of files that are not finished; nothing else is ever called so."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that only a write can meet."""


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write all files or none: every temporary is complete on disk before the first one is renamed, in order.

    Raises:
        OutputError: a file could not be written; no temporary is left.
    """
    made: list[Path] = []
    waiting: dict[Path, Path] = {}
    at_work = Path()
    try:
        for path, data in contents.items():
            at_work = path
            target = _real(path)
            _make_parents(target, made)
            temporary = _beside(target)
            waiting[temporary] = target
            _write_synced(temporary, data)
        for temporary, target in list(waiting.items()):
            at_work = target
            temporary.replace(target)
            del waiting[temporary]
            _sync_directory(target.parent)
    except BaseException as error:
        _undo(waiting, made)
        if isinstance(error, OSError):
            raise output_error(error, at_work) from error
        raise


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A path beside ``path`` to write to: renamed onto it at the end, removed when the block fails.

    Raises:
        OutputError: the directory, the file or the renaming failed, or the block met a full disk or the like.
    """
    made: list[Path] = []
    temporary: Path | None = None
    in_block = False
    try:
        target = _real(path)
        _make_parents(target, made)
        temporary = _beside(target)
        in_block = True
        yield temporary
        in_block = False
        _sync(temporary)
        temporary.replace(target)
        _sync_directory(target.parent)
    except BaseException as error:
        _undo([temporary] if temporary else [], made)
        if isinstance(error, OSError):
            of_the_output = error.errno in FULL or error.filename == str(temporary)
            if of_the_output or not in_block:
                raise output_error(error, path) from error
        raise


def check_writable(path: Path | str, *, overwrite: bool, inputs: Iterable[Path | str] = ()) -> None:
    """Refuse early what :func:`replacing` could not, or should not, replace; leaves nothing behind.

    Raises:
        OutputError: the target exists and ``overwrite`` is false, is one of the ``inputs``, is no regular
        file, or
            cannot be created because of its directory.
    """
    path = Path(path)
    try:
        target = _real(path)
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


def _check_existing(path: Path, overwrite: bool, inputs: Iterable[Path | str]) -> None:
    if any(Path(given).exists() and path.samefile(given) for given in inputs):
        raise OutputError("is also the input", where=str(path), remedy="choose another output")
    if not overwrite:
        raise OutputError("exists already", where=str(path), remedy="pass --overwrite to replace it")


def remove_temporaries(directory: Path) -> None:
    """Remove the ``.spinlock-*.tmp`` files that a killed process left in ``directory``; what cannot go, stays."""
    with suppress(OSError):
        for path in directory.iterdir():
            if TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)


def output_error(error: BaseException, path: Path | str) -> OutputError:
    """The one line for a system error met while writing ``path``."""
    number = error.errno if isinstance(error, OSError) else None
    words, remedy = WORDS.get(number or 0, ("", ""))
    if not words:
        strerror = error.strerror if isinstance(error, OSError) else None
        words = (strerror or str(error) or type(error).__name__).splitlines()[0]
    return OutputError(f"cannot be written: {words}", where=str(path), remedy=remedy)


def _real(path: Path | str) -> Path:
    """The absolute file behind ``path``, links followed; no directory and no device can be replaced."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OSError(errno.EISDIR, "is a directory")
    if target.exists() and not target.is_file():
        raise OutputError("is not a regular file", where=str(path), remedy="choose another output")
    return target


def _beside(target: Path) -> Path:
    """A new name beside ``target``; short, because the target's own may be at the limit."""
    return target.parent / f".spinlock-{secrets.token_hex(6)}.tmp"


def _make_parents(target: Path, made: list[Path]) -> None:
    """Create the directories above ``target``, noting each new one in ``made``, outermost first."""
    absent = []
    for parent in target.parents:
        if parent.exists():
            break
        absent.append(parent)
    for parent in reversed(absent):
        with suppress(FileExistsError):
            parent.mkdir()
            made.append(parent)


def _write_synced(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    """Make renames durable where the file system can; one that cannot has still renamed."""
    with suppress(OSError):
        _sync(directory)


def _probe(directory: Path) -> None:
    """Create and remove an empty file: for root, and on odd file systems, permission bits say too little."""
    name = _beside(directory / "probe")
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    name.unlink()


def _undo(temporaries: Iterable[Path], made: list[Path]) -> None:
    """Remove temporaries and, if nothing else has moved in, the directories made for them."""
    for temporary in temporaries:
        with suppress(OSError):
            temporary.unlink()
    for directory in reversed(made):
        with suppress(OSError):
            directory.rmdir()
