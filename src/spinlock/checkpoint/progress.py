"""Progress of a run, and the result of a validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Progress:
    """Counters and sums of a run: its state without tensors and history.

    Attributes
    ----------
    planned_steps
        Total number of optimizer steps of the learning-rate schedule.
    extent
        Number of consecutive rows of a streamed table that are read at a time. The order of the rows depends on it.
    epoch, step, step_in_epoch
        Number of finished epochs, of finished optimizer steps, and of finished steps of the current epoch.
    resets, resets_total
        Number of codes that were reset in the current epoch, and in all epochs before.
    best_epoch, best_score, best_loss
        Best epoch so far (-1 for none), its score and its validation loss.
    initial_quality
        Reconstruction quality of epoch 0.
    reference_epoch, reference_score
        Last epoch that improved the score by more than ``early_stopping_min_delta``, and its score.
    losses
        Sums of the losses over the finished steps of the current epoch.
    """

    planned_steps: int
    extent: int = 0
    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    resets: int = 0
    resets_total: int = 0
    best_epoch: int = -1
    best_score: float = float("inf")
    best_loss: float = float("inf")
    initial_quality: float = 0.0
    reference_epoch: int = 0
    reference_score: float = float("inf")
    losses: dict[str, float] = field(default_factory=dict)

    def take_losses(self, steps: int) -> dict[str, float]:
        """Return the mean losses of a finished epoch of some steps, and reset the sums."""
        means = {name: value / steps for name, value in self.losses.items()}
        self.losses, self.step_in_epoch = {}, 0
        return means

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain numbers, for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class ValidationResult:
    """Losses, their weighted sum ``loss``, and target metrics on the validation rows.

    ``orthogonality`` is the latent redundancy, and ``topographic`` is 1 - ``topographic_correlation``. During training
    both are estimated from random rows.
    ``errors`` [m] are the mean squared reconstruction errors of the validation rows in ascending order.
    """

    loss: float
    reconstruction: float
    commitment: float
    orthogonality: float
    informativeness: float
    topographic: float
    codebook: float
    quality: float
    utilization: float
    topographic_correlation: float
    errors: Tensor = field(default_factory=lambda: torch.empty(0), repr=False, compare=False)

    def to_dict(self) -> dict[str, float]:
        """Return all values except ``errors``."""
        return {name: value for name, value in self.__dict__.items() if name != "errors"}

    @classmethod
    def from_dict(cls, values: Mapping[str, float], errors: Tensor) -> ValidationResult:
        """Restore a result from the result of :meth:`to_dict` and the errors."""
        return cls(**values, errors=errors)

    def history_values(self) -> dict[str, float]:
        """Return the values by their names in the history, which begin with ``val_``."""
        return {f"val_{name}": value for name, value in self.to_dict().items()}
