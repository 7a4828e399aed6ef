"""The directory of a run: the paths of its files, the check before writing, and the removal of temporary files.

This module does not import torch, so that the command line can report a wrong directory without that slow import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spinlock.errors import OutputError
from spinlock.io.atomic import check_writable, remove_temporaries

BEST = "best_model.pt"
LAST = "last.pt"

STATISTICS = "normalization_stats.npz"
RESOLVED = "config.yaml"
HISTORY = "training_history.json"
HISTORY_LINES = "training_history.jsonl"
SIDE_FILES = (STATISTICS, RESOLVED, HISTORY, HISTORY_LINES)


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

    def conflicting_file(self, resume_from: Path | None = None) -> Path | None:
        """Return an existing file of another run that this run would overwrite, or None.

        Files in the directory of the checkpoint ``resume_from`` belong to the run that is resumed.
        """
        if resume_from is not None:
            home = (resume_from if resume_from.is_dir() else resume_from.parent).resolve()
            if home in {target.parent.resolve() for target in self.files}:
                return None
        return next((target for target in self.files if target.exists()), None)

    def check(self, *, overwrite: bool, input_path: Path, resume_from: Path | None = None) -> None:
        """Check before any work that the run may write its files.

        Parameters
        ----------
        overwrite
            Whether files of another run may be replaced.
        input_path
            Path of the dataset, which no file of the run may replace.
        resume_from
            Checkpoint or directory of the run that is resumed.

        Raises
        ------
        OutputError
            The directory is not writable, or it contains another run.
        """
        for target in (self.best, self.last):
            check_writable(target, overwrite=True, inputs=[input_path])
        conflict = None if overwrite else self.conflicting_file(resume_from)
        if conflict is not None:
            raise OutputError(
                f"already contains a run, or a file with the same name ({conflict.name})",
                where=str(conflict.parent),
                remedy="pass --resume-from to continue the run, --overwrite to replace it, or another --output",
            )

    def remove_leftovers(self) -> None:
        """Remove temporary files of a killed process from the directories of the run."""
        for directory in {self.best.parent, self.last.parent}:
            remove_temporaries(directory)
