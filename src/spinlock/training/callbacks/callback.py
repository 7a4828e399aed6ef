"""The base class of callbacks, and the reports that their methods get.

Every process of a group calls its own callbacks. Any of them may stop the run by :meth:`Run.stop`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spinlock.checkpoint.history import EpochValues
from spinlock.checkpoint.progress import ValidationResult

if TYPE_CHECKING:
    from spinlock.checkpoint.directory import RunDirectory
    from spinlock.runtime.process_group import ProcessGroup
    from spinlock.training.plan import Plan
    from spinlock.training.run import Run


@dataclass(frozen=True)
class StepReport:
    """A finished optimizer step: number ``step`` of ``steps`` in epoch number ``epoch``, both counted from 1."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True)
class EpochReport:
    """A finished epoch.

    Attributes
    ----------
    epoch
        Number of the epoch; epoch 0 is the initialized model.
    record
        Values of the epoch in the training history.
    validation
        Result of the validation, or None if the epoch was not validated.
    is_best
        Whether this is the best epoch so far.
    """

    epoch: int
    record: EpochValues
    validation: ValidationResult | None
    is_best: bool


class Callback:
    """Base class of callbacks. All methods are empty; subclasses override those that they need.

    ``run.stop("reason")`` stops the run after the current step.

    Examples
    --------
    >>> class StopWhenGoodEnough(Callback):
    ...     def on_validation(self, run, report):
    ...         if report.validation.quality > 0.95:
    ...             run.stop("the quality is above 0.95")
    """

    def session(self, directory: RunDirectory, group: ProcessGroup) -> AbstractContextManager[None]:
        """Return a context in which the run with this directory is planned and trained. A dry run has no session."""
        return nullcontext()

    def on_plan(self, plan: Plan) -> None:
        """Called when the plan is complete: categories, sizes and schedule are known, and training has not started."""

    def on_start(self, run: Run) -> None:
        """Called before training starts or is resumed."""

    def on_note(self, run: Run, note: str) -> None:
        """Called with a message for the user, for example that the training step cannot be compiled."""

    def on_step(self, run: Run, report: StepReport) -> None:
        """Called after each optimizer step."""

    def on_epoch(self, run: Run, report: EpochReport) -> None:
        """Called after each epoch, validated or not."""

    def on_validation(self, run: Run, report: EpochReport) -> None:
        """Called after :meth:`on_epoch` if the epoch was validated; ``report.validation`` is not None."""

    def on_save(self, run: Run, is_best: bool) -> None:
        """Called when the state should be saved. ``is_best`` is true if the current epoch is the best so far."""

    def on_end(self, run: Run) -> None:
        """Called when the run has ended: it was finished and evaluated, it was stopped, or it failed."""
