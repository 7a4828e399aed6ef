"""The state of a training run, from which it is resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Weights = dict[str, Tensor]
EpochRecord = dict[str, float]
"""Values of one epoch of one member, by name."""


PARTS = ("family", "density")
"""The two parts of a member. The names of their weights begin with these words."""


@dataclass
class TrainingState:
    """State after an epoch.

    Attributes
    ----------
    finished
        Best weights of the members that are trained.
    epoch
        Number of finished epochs of the current member; epoch 0 is the initialization.
    weights, optimizer
        Current weights and state of the optimizer of the current member; None before its initialization.
    best_weights
        Weights of the current member, of each part at its best epoch.
    best_losses, best_epochs
        Loss and number of the best epoch of each part.
    history
        Values of each epoch of each member.
    """

    finished: list[Weights] = field(default_factory=list)
    epoch: int = 0
    weights: Weights | None = None
    optimizer: dict[str, Any] | None = None
    best_weights: Weights = field(default_factory=dict)
    best_losses: dict[str, float] = field(default_factory=dict)
    best_epochs: dict[str, int] = field(default_factory=dict)
    history: list[EpochRecord] = field(default_factory=list)

    @property
    def member(self) -> int:
        """Number of the current member, counted from 1."""
        return len(self.finished) + 1

    def record(self, epoch: int, weights: Weights, losses: dict[str, float]) -> None:
        """Store the weights after an epoch, and those of each part if its loss is the lowest so far."""
        self.epoch, self.weights = epoch, weights
        if not self.best_weights:
            self.best_weights = dict(weights)
        for part in PARTS:
            if losses[part] < self.best_losses.get(part, math.inf):
                self.best_losses[part], self.best_epochs[part] = losses[part], epoch
                self.best_weights |= {name: value for name, value in weights.items() if name.startswith(part)}

    def finish_member(self) -> None:
        """Keep the best weights of the current member, and begin the next one."""
        self.finished.append(self.best_weights)
        self.epoch, self.weights, self.optimizer = 0, None, None
        self.best_weights, self.best_losses, self.best_epochs = {}, {}, {}
