"""The directory of a run: the paths of its files, the check before writing, its lock, and what becomes of an older run.

This module does not import torch, so that the command line can report a wrong directory without that slow import.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spinlock.errors import CheckpointError, OutputError
from spinlock.io.atomic import DirectoryLock, check_unlocked, check_writable
from spinlock.io.output_errors import output_error

BEST = "best_model.pt"
LAST = "last.pt"

STATISTICS = "normalization_stats.npz"
CONFIG = "config.yaml"
HISTORY = "training_history.json"
HISTORY_LINES = "training_history.jsonl"
SIDE_FILES = (STATISTICS, CONFIG, HISTORY, HISTORY_LINES)


@dataclass(frozen=True)
class RunDirectory:
    """Directory of the files of a run: ``output_dir``, and ``checkpoint_dir`` for last.pt if it is set."""

    output_dir: Path
    checkpoint_dir: Path | None = None

    @property
    def best(self) -> Path:
        """Path of the checkpoint of the best epoch."""
        return self.output_dir / BEST

    @property
    def last(self) -> Path:
        """Path of the checkpoint of the last state."""
        return (self.checkpoint_dir or self.output_dir) / LAST

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of all files that the run writes."""
        return (self.best, self.last, *(self.output_dir / name for name in SIDE_FILES))

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories that the run locks: a ``checkpoint_dir`` inside ``output_dir`` is not locked separately."""
        checkpoint_dir = self.checkpoint_dir
        if checkpoint_dir is None or checkpoint_dir.resolve().is_relative_to(self.output_dir.resolve()):
            return (self.output_dir,)
        return self.output_dir, checkpoint_dir

    def conflicting_file(self, resume_from: Path | None = None) -> Path | None:
        """Return an existing file of another run that this run would overwrite, or None.

        Files in the directory of the checkpoint ``resume_from`` belong to the run that is resumed.
        """
        if self._is_resumed_here(resume_from):
            return None
        return next((target for target in self.files if target.exists()), None)

    def check_files(self, inputs: Sequence[Path], resume_from: Path | None = None) -> None:
        """Check before any work that the run will be able to write its files.

        Parameters
        ----------
        inputs
            Paths of the input files, which the run must not replace.
        resume_from
            Checkpoint or directory of the run that is resumed.

        Raises
        ------
        OutputError
            The directory is not writable, or a file of the run is also an input.
        """
        resumed_here = self._is_resumed_here(resume_from)
        for target in self.files:
            if not (resumed_here and target.name == CONFIG):  # a resumed run may be configured by its own config.yaml
                check_writable(target, overwrite=True, inputs=inputs, locked_with_directory=True)

    def check_unlocked(self) -> None:
        """Raise an :class:`OutputError` if another process writes to the directory."""
        for directory in self.directories:
            check_unlocked(directory)

    def has_finished_run(self, inputs: Sequence[Path], resume_from: Path | None = None) -> bool:
        """Return whether the directory contains another run, which is finished and can be set aside.

        The parameters are those of :meth:`check_files`.

        Raises
        ------
        OutputError
            The directory contains an unfinished run, an input file, or the working directory.
        """
        conflict = self.conflicting_file(resume_from)
        if conflict is None:
            return False
        output = self.output_dir.resolve()
        contains_input = any(path.resolve().is_relative_to(output) for path in (*inputs, Path.cwd()))
        if contains_input or not self._is_finished():
            raise _conflict_error(conflict)
        return True

    def refuse_other_run(self, resume_from: Path | None = None) -> None:
        """Raise an :class:`OutputError` if the directory contains another run than ``resume_from``."""
        conflict = self.conflicting_file(resume_from)
        if conflict is not None:
            raise _conflict_error(conflict)

    @contextmanager
    def locked(self) -> Iterator[DirectoryLock]:
        """Lock the directories and the files of the run in a ``with`` block. What killed processes left is removed.

        Yields
        ------
        DirectoryLock
            The lock of ``output_dir``.

        Raises
        ------
        OutputError
            Another process writes to a directory, or it cannot be created.
        """
        with ExitStack() as stack:
            locks = [stack.enter_context(DirectoryLock(each, files=self.files)) for each in self.directories]
            yield locks[0]

    def set_aside(self, lock: DirectoryLock) -> Path:
        """Rename the directory of a finished run to ``<output_dir>.1``, or the first free number; return the new path.

        A killed process leaves either the old directory or the new one, with the whole run.
        """
        try:
            if len(self.directories) > 1 and self.last.exists():
                self.last.replace(self.output_dir / LAST)
        except OSError as error:
            raise output_error(error, self.last) from error
        return self.output_dir.with_name(lock.set_aside().name)

    def _is_resumed_here(self, resume_from: Path | None) -> bool:
        """Return whether the files of the run that is resumed are in this directory."""
        if resume_from is None:
            return False
        home = (resume_from if resume_from.is_dir() else resume_from.parent).resolve()
        return home in {target.parent.resolve() for target in self.files}

    def _is_finished(self) -> bool:
        """Return whether the directory contains a finished run, and no file of a different run."""
        from spinlock.checkpoint.file import load_checkpoint  # imports torch

        try:
            best = load_checkpoint(self.best)
            return best.finished and (not self.last.exists() or load_checkpoint(self.last).identity == best.identity)
        except CheckpointError:
            return False


def _conflict_error(conflict: Path) -> OutputError:
    """Return the error for a file of another run."""
    return OutputError(
        f"already contains a run, or a file with the same name ({conflict.name})",
        where=str(conflict.parent),
        remedy="pass resume_from=... to continue the run, overwrite=True to replace it, or output_dir=...",
    )
