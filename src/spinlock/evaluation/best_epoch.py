"""Which epoch of a training run was selected, and why."""

from __future__ import annotations

from dataclasses import dataclass

from spinlock.checkpoint.record import Checkpoint


@dataclass(frozen=True)
class BestEpoch:
    """The selected epoch of a training run.

    Attributes
    ----------
    epoch, num_epochs
        Selected epoch, -1 before the first validation, and number of finished epochs. A checkpoint of an earlier epoch
        may not know the later ones.
    score
        Score of the selected epoch. None if the run stopped before its first validation.
    quality, initial_quality
        Reconstruction quality of the validation rows at the selected epoch and at epoch 0.
    best_later_quality
        Largest quality of the validations after epoch 0, or None if there are none.
    """

    epoch: int
    num_epochs: int
    score: float | None
    quality: float
    initial_quality: float
    best_later_quality: float | None

    @property
    def text(self) -> str:
        """One sentence about the selection."""
        if self.epoch < 0:
            return "no epoch was validated"
        if self.num_epochs == 0:
            return f"the model was initialized and not trained (quality {self.quality:.4f})"
        if self.epoch == 0 and self.best_later_quality is not None:
            return (
                f"epoch 0 of {self.num_epochs} was selected (quality {self.initial_quality:.4f}): no later epoch had a "
                "better score and a quality above it by more than the margin; the best quality of the later epochs was "
                f"{self.best_later_quality:.4f}"
            )
        return (
            f"epoch {self.epoch} of {self.num_epochs} was selected (quality {self.quality:.4f}; "
            f"{self.initial_quality:.4f} at epoch 0)"
        )


def best_epoch(checkpoint: Checkpoint) -> BestEpoch:
    """Return the selected epoch of the run of a checkpoint."""
    progress = checkpoint.state.progress
    qualities = [value for value in checkpoint.history.columns.get("val_quality", []) if value is not None]
    selected = checkpoint.metrics.get("reconstruction_quality", checkpoint.validation.quality)
    return BestEpoch(
        epoch=progress.best_epoch,
        num_epochs=max(progress.epoch, len(checkpoint.history) - 1),
        score=progress.best_score if progress.best_epoch >= 0 else None,
        quality=float(selected),
        initial_quality=float(qualities[0]) if qualities else progress.initial_quality,
        best_later_quality=max((float(value) for value in qualities[1:]), default=None),
    )
