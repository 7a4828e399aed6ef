"""Selection of the checkpoint from which a run is resumed."""

from __future__ import annotations

from pathlib import Path

from spinlock.checkpoint.directory import BEST, LAST
from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.record import Checkpoint
from spinlock.errors import CheckpointError


def latest_checkpoint(path: Path) -> tuple[Checkpoint, str]:
    """Read the checkpoint from which a run is resumed.

    Parameters
    ----------
    path
        ``best_model.pt``, ``last.pt`` or a directory that contains one of them.

    Returns
    -------
    checkpoint : Checkpoint
        The checkpoint at ``path``, or the other one of the same run if that is later.
    note : str
        Message that the other checkpoint is used, or an empty string.

    Raises
    ------
    CheckpointError
        The directory contains no checkpoint, or the checkpoint cannot be read.
    """
    if path.is_dir():
        present = [path / name for name in (LAST, BEST) if (path / name).exists()]
        if not present:
            what = "contains neither last.pt nor best_model.pt"
            raise CheckpointError(what, where=str(path), remedy="name a checkpoint")
        path = present[0]
    checkpoint = load_checkpoint(path)
    other = _counterpart(checkpoint)
    if not other.exists():
        return checkpoint, ""
    later = load_checkpoint(other)
    if later.identity != checkpoint.identity or later.state.progress.step <= checkpoint.state.progress.step:
        return checkpoint, ""
    return later, f"{other} of the same run is later than {path} and is used instead"


def _counterpart(checkpoint: Checkpoint) -> Path:
    """Return the path of last.pt for a best_model.pt, and the reverse. After a killed process either may be later."""
    path, config = checkpoint.path, checkpoint.config
    if path.name == LAST:
        return (config.output_dir if config.checkpoint_dir else path.parent) / BEST
    return (config.checkpoint_dir or path.parent) / LAST
