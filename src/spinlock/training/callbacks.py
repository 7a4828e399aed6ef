"""Callbacks of a run: the base class, and the callbacks for saving, for a time limit and for signals.

Every process of a group calls its own callbacks. Any of them may stop the run by :meth:`Run.stop`.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from spinlock.checkpoint.history import Record
from spinlock.checkpoint.progress import ValidationResult

if TYPE_CHECKING:
    from spinlock.training.plan import Plan
    from spinlock.training.run import Run

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


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
    record: Record
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

    def on_plan(self, plan: Plan) -> None:
        """Called when the plan is complete: categories, sizes and schedule are known, and training has not started."""

    def on_start(self, run: Run) -> None:
        """Called before training starts or is resumed."""

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


class SaveCheckpoints(Callback):
    """Writes the files of the run to its output directory, in the main process."""

    def on_start(self, run: Run) -> None:
        """Remove temporary files of a killed process, and restore the best model of a resumed run."""
        if run.group.is_main:
            run.prepare_directory()

    def on_save(self, run: Run, is_best: bool) -> None:
        """Write last.pt and the history, and also best_model.pt if the epoch is the best so far."""
        if run.group.is_main:
            run.save(is_best=is_best)

    def on_end(self, run: Run) -> None:
        """Store the final metrics of a finished run in both checkpoints."""
        if run.group.is_main and run.metrics:
            run.save_metrics()


class StopAfter(Callback):
    """Stops the run after a time limit.

    Parameters
    ----------
    seconds
        Time limit in seconds after the construction of the callback.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds

    def on_step(self, run: Run, report: StepReport) -> None:
        """Stop the run if the deadline has passed."""
        if time.monotonic() >= self._deadline:
            run.stop(f"the time limit of {self.seconds:g} s is reached")


class StopOnSignals(Callback):
    """Stops the run after a SIGINT, SIGTERM or SIGUSR1. A second SIGINT raises KeyboardInterrupt.

    The handlers are installed while the run is training, and only if it is in the main thread.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}

    def on_start(self, run: Run) -> None:
        """Install the handlers."""
        if threading.current_thread() is not threading.main_thread():
            return
        interrupted = False

        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal interrupted
            if number == signal.SIGINT and interrupted:
                raise KeyboardInterrupt
            interrupted = interrupted or number == signal.SIGINT
            run.stop(f"{signal.Signals(number).name} was received")

        self._previous = {number: signal.signal(number, handle) for number in STOP_SIGNALS}

    def on_end(self, run: Run) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
