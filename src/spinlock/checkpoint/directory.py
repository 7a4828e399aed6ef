"""The directory of a run: its two checkpoints, whether a run may write there, and what a killed process left in it.

Nothing here needs torch, so that the command line can refuse a target before it spends seconds on importing it.
"""

from __future__ import annotations

from pathlib import Path

from spinlock.config import VQVAEConfig
from spinlock.errors import OutputError
from spinlock.io.atomic import check_writable, remove_temporaries

BEST = "best_model.pt"
LAST = "last.pt"

STATISTICS = "normalization_stats.npz"
RESOLVED = "config.yaml"
HISTORY = "training_history.json"
HISTORY_LINES = "training_history.jsonl"
SIDE_FILES = (STATISTICS, RESOLVED, HISTORY, HISTORY_LINES)


def best_path(config: VQVAEConfig) -> Path:
    """The best model of a run."""
    return config.output_dir / BEST


def last_path(config: VQVAEConfig) -> Path:
    """The last state of a run, which ``checkpoint_dir`` may put elsewhere."""
    return (config.checkpoint_dir or config.output_dir) / LAST


def check_directory(config: VQVAEConfig, *, overwrite: bool) -> None:
    """Refuse, before any work, a directory that cannot be written or that holds another run.

    Raises:
        OutputError: as said; a run that goes on in its own directory is no other run.
    """
    for target in (best_path(config), last_path(config)):
        check_writable(target, overwrite=True, inputs=[config.input_path])
    occupant = None if overwrite else occupying(config)
    if occupant is not None:
        raise OutputError(
            f"holds a run already, or files of its names ({occupant.name})",
            where=str(occupant.parent),
            remedy="pass --resume-from to go on with it, --overwrite to replace it, or another --output",
        )


def occupying(config: VQVAEConfig) -> Path | None:
    """A file where this run is to write its own, unless it is of the run that this one goes on from."""
    targets = [best_path(config), last_path(config), *(config.output_dir / name for name in SIDE_FILES)]
    resumed = config.resume_from
    if resumed is not None:
        home = (resumed if resumed.is_dir() else resumed.parent).resolve()
        if home in {target.parent.resolve() for target in targets}:
            return None
    return next((target for target in targets if target.exists()), None)


def remove_leftovers(config: VQVAEConfig) -> None:
    """Remove the unfinished files that a killed process left where this run writes."""
    for directory in {best_path(config).parent, last_path(config).parent}:
        remove_temporaries(directory)
