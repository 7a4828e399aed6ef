"""How far a run has come, and what its best validation measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Progress:
    """The counters of a run: everything of its state that is not a tensor or the history.

    Attributes
    ----------
    planned_steps
        Optimizer steps that the learning-rate schedule is made for.
    extent
        Rows of the file that are read at once where the table stays in its file; it fixes the order of the rows.
    epoch, step, step_in_epoch
        Finished epochs, finished optimizer steps, and the finished steps of the epoch in progress.
    resets, resets_total
        Codes that were reset in the epoch in progress, and in all epochs.
    best_epoch, best_score, best_loss
        The best validation so far: its epoch (-1 for none), its score and its validation loss.
    initial_quality
        Reconstruction quality of epoch 0.
    reference_epoch, reference_score
        The last epoch that improved the score by more than ``early_stopping_min_delta``, and its score.
    losses
        Sums of the losses over the finished steps of the epoch in progress.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as stored in a checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class ValidationResult:
    """The losses in evaluation mode, their weighted total, and the target metrics on the validation rows.

    ``orthogonality`` is the latent redundancy and ``topographic`` is 1 - r, both exact, where training samples them.
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
        """All numbers but the errors of single rows."""
        return {name: value for name, value in self.__dict__.items() if name != "errors"}

    @classmethod
    def from_dict(cls, figures: Mapping[str, float], errors: Tensor) -> ValidationResult:
        """Inverse of :meth:`to_dict`."""
        return cls(**figures, errors=errors)

    def history_values(self) -> dict[str, float]:
        """The numbers under their names in the history, which begin with ``val_``."""
        return {f"val_{name}": value for name, value in self.to_dict().items()}
