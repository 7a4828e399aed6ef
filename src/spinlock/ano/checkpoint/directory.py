"""The directory of a run: its files, the check before writing, and the run that is resumed.

This module does not import torch, so that the command line can report a wrong directory without that slow import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spinlock.errors import CheckpointError, OutputError
from spinlock.io.atomic import check_writable

BEST, LAST, CONFIG, HISTORY = "best_model.pt", "last.pt", "config.yaml", "training_history.json"


@dataclass(frozen=True)
class ANODirectory:
    """Directory of the files of a run."""

    path: Path

    @property
    def best(self) -> Path:
        """Path of the finished model."""
        return self.path / BEST

    @property
    def last(self) -> Path:
        """Path of the state from which an unfinished run is resumed. A finished run has none."""
        return self.path / LAST

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of all files that a run writes."""
        return tuple(self.path / name for name in (BEST, LAST, CONFIG, HISTORY))

    def check(self, inputs: Sequence[Path], resume_from: Path | None, *, overwrite: bool) -> None:
        """Check before any work that the run will be able to write its files.

        Parameters
        ----------
        inputs
            Paths of the input files, which the run must not replace.
        resume_from
            Run that is resumed. Its own directory may contain files.
        overwrite
            Whether files of another run are replaced.

        Raises
        ------
        OutputError
            The directory contains another run, cannot be written, or contains an input.
        """
        resumed_here = resume_from is not None and resumed_file(resume_from).parent.resolve() == self.path.resolve()
        for file in self.files:
            if not resumed_here and not overwrite and file.exists():
                raise OutputError(
                    f"already contains a run, or a file with the same name ({file.name})",
                    where=str(self.path),
                    remedy="pass resume_from=... to continue the run, overwrite=True to replace it, or output_dir=...",
                )
            if not (resumed_here and file.name == CONFIG):  # a resumed run may be configured by its own config.yaml
                check_writable(file, overwrite=True, inputs=inputs, locked_with_directory=True)


def resumed_file(resume_from: Path) -> Path:
    """Return the file from which a run is resumed: ``resume_from`` itself, or last.pt in this directory.

    Raises
    ------
    CheckpointError
        The directory contains no last.pt.
    """
    if not resume_from.is_dir():
        return resume_from
    last = resume_from / LAST
    if not last.exists():
        what = f"contains no {LAST}; a finished run cannot be resumed"
        raise CheckpointError(what, where=str(resume_from), remedy="train a new model")
    return last
