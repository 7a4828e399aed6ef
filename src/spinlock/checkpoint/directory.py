"""The directory of a run: the paths of its files, whether a run may write there, and leftovers of a killed process.

Nothing here imports torch, so that the command line can refuse a target before it spends seconds on that import.
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
    """Where a run writes: ``output_dir``, and ``checkpoint_dir`` for last.pt if it is given."""

    output_dir: Path
    checkpoint_dir: Path | None = None

    @property
    def best(self) -> Path:
        """The best model of the run."""
        return self.output_dir / BEST

    @property
    def last(self) -> Path:
        """The last state of the run."""
        return (self.checkpoint_dir or self.output_dir) / LAST

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the run writes."""
        return (self.best, self.last, *(self.output_dir / name for name in SIDE_FILES))

    def occupant(self, resume_from: Path | None = None) -> Path | None:
        """A file of another run that stands where this run writes, or None.

        Files beside the checkpoint ``resume_from`` belong to the run that is resumed.
        """
        if resume_from is not None:
            home = (resume_from if resume_from.is_dir() else resume_from.parent).resolve()
            if home in {target.parent.resolve() for target in self.files}:
                return None
        return next((target for target in self.files if target.exists()), None)

    def check(self, *, overwrite: bool, input_path: Path, resume_from: Path | None = None) -> None:
        """Refuse, before any work, a directory that cannot be written or that holds another run.

        Raises
        ------
        OutputError
            As said.
        """
        for target in (self.best, self.last):
            check_writable(target, overwrite=True, inputs=[input_path])
        occupant = None if overwrite else self.occupant(resume_from)
        if occupant is not None:
            raise OutputError(
                f"holds a run already, or files of its names ({occupant.name})",
                where=str(occupant.parent),
                remedy="pass --resume-from to go on with it, --overwrite to replace it, or another --output",
            )

    def remove_leftovers(self) -> None:
        """Remove the unfinished files that a killed process left where this run writes."""
        for directory in {self.best.parent, self.last.parent}:
            remove_temporaries(directory)
