"""Who is told about a run while it goes on."""

from __future__ import annotations

from typing import Protocol

from spinlock.training.history import Record
from spinlock.training.validation import ValidationResult


class Observer(Protocol):
    """What is told about a run while it goes on."""

    def step(self, epoch: int, step: int, steps: int) -> None:
        """A step of an epoch is done."""

    def epoch(self, epoch: int, record: Record, validation: ValidationResult | None, best: bool) -> None:
        """An epoch is done; ``best`` when its validation became the best so far."""

    def saved(self, epoch: int) -> None:
        """The state was saved."""


class SilentObserver:
    """An observer that tells nobody."""

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Ignored."""

    def epoch(self, epoch: int, record: Record, validation: ValidationResult | None, best: bool) -> None:
        """Ignored."""

    def saved(self, epoch: int) -> None:
        """Ignored."""
