"""Callbacks of a run: a class with empty methods, and the three that the program itself uses.

Every process of a group calls its own callbacks. Any of them may ask the run to stop: :meth:`Run.stop`.
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
    """A finished optimizer step: number ``step`` of ``steps`` in ``epoch``, all counted from 1."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True)
class EpochReport:
    """A finished epoch.

    Attributes
    ----------
    epoch
        Its number; epoch 0 is the initialized model.
    record
        Its values in the training history.
    validation
        What its validation measured, or None if it was not validated.
    is_best
        Whether it is the best epoch so far.
    """

    epoch: int
    record: Record
    validation: ValidationResult | None
    is_best: bool


class Callback:
    """What happens beside training; subclasses override the methods that they need.

    A callback stops the run after the current step with ``run.stop("reason")``.

    >>> class StopWhenGoodEnough(Callback):
    ...     def on_validation(self, run, report):
    ...         if report.validation.quality > 0.95:
    ...             run.stop("the quality is above 0.95")
    """

    def on_plan(self, plan: Plan) -> None:
        """The run is planned: categories, sizes and schedule are known, nothing is trained yet."""

    def on_start(self, run: Run) -> None:
        """Training begins or resumes."""

    def on_step(self, run: Run, report: StepReport) -> None:
        """An optimizer step is finished."""

    def on_epoch(self, run: Run, report: EpochReport) -> None:
        """An epoch is finished, validated or not."""

    def on_validation(self, run: Run, report: EpochReport) -> None:
        """The model was validated; ``report.validation`` is not None. Follows :meth:`on_epoch`."""

    def on_save(self, run: Run, is_best: bool) -> None:
        """The state is due to be saved; ``is_best`` says that the current epoch is the best so far."""

    def on_end(self, run: Run) -> None:
        """The run ended: it is finished and evaluated, it was stopped, or it failed."""


class SaveCheckpoints(Callback):
    """Writes the output directory of the run. The main process writes."""

    def on_start(self, run: Run) -> None:
        """Prepare the directory: remove leftovers, and restore the best model of a resumed run."""
        if run.group.is_main:
            run.claim_directory()

    def on_save(self, run: Run, is_best: bool) -> None:
        """Write last.pt and the history, and best_model.pt if the epoch is the best so far."""
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
        The limit, counted from the construction of the callback.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds

    def on_step(self, run: Run, report: StepReport) -> None:
        """Stop when the deadline has passed."""
        if time.monotonic() >= self._deadline:
            run.stop(f"the time limit of {self.seconds:g} s is reached")


class StopOnSignals(Callback):
    """Stops the run on SIGINT, SIGTERM and SIGUSR1; a second SIGINT interrupts at once.

    Signals are handled from the start of training to its end, and in the main thread only.
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
