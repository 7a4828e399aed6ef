"""The mutable state of a run: what is saved, and what a resumed run goes on from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from spinlock.model import CategoricalVQVAE
from spinlock.training.history import History
from spinlock.training.optimizer import Adam
from spinlock.training.validation import ValidationResult


@dataclass
class Progress:
    """Where a run stands: all of it that is not weights, optimizer state or history.

    ``planned_steps`` fixes the schedule, ``stretch`` the order in which a table is read from its file; ``losses`` are
    the sums over the steps done of the epoch in progress.
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
    start_quality: float = 0.0
    reference_epoch: int = 0
    reference_score: float = float("inf")
    losses: dict[str, float] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """As stored in a checkpoint."""
        return asdict(self)


@dataclass
class TrainingState:
    """The mutable state of a run."""

    model: CategoricalVQVAE
    optimizer: Adam
    progress: Progress
    history: History
    best_weights: dict[str, Tensor]
    best_validation: ValidationResult | None = None


Save = Callable[[TrainingState, bool], None]
"""Saves the state; the flag tells that it is the best so far."""
