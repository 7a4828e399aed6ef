"""The state of a training run, from which it is resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Weights = dict[str, Tensor]
EpochRecord = dict[str, float]
"""Values of one epoch of one member, by name."""


@dataclass
class TrainingState:
    """State after an epoch.

    Attributes
    ----------
    finished
        Best weights of the members that are trained.
    epoch
        Number of finished epochs of the current member.
    weights, optimizer
        Current weights and state of the optimizer of the current member; None before its first epoch.
    best_weights, best_loss, best_epoch
        The best epoch of the current member.
    history
        Values of each epoch of each member.
    """

    finished: list[Weights] = field(default_factory=list)
    epoch: int = 0
    weights: Weights | None = None
    optimizer: dict[str, Any] | None = None
    best_weights: Weights | None = None
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[EpochRecord] = field(default_factory=list)

    @property
    def member(self) -> int:
        """Number of the current member, counted from 1."""
        return len(self.finished) + 1

    def finish_member(self) -> None:
        """Keep the best weights of the current member, and begin the next one."""
        assert self.best_weights is not None, "a member is finished after its first epoch"
        self.finished.append(self.best_weights)
        self.epoch, self.best_epoch, self.best_loss = 0, 0, math.inf
        self.weights = self.optimizer = self.best_weights = None
