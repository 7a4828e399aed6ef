"""The callbacks that stop a run: after a time limit, and on signals."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from spinlock.runtime.signals import STOP_SIGNALS
from spinlock.training.callbacks.callback import Callback, StepReport

if TYPE_CHECKING:
    from spinlock.training.run import Run


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
    """Stops the run after one of the :data:`STOP_SIGNALS`. A second SIGINT raises KeyboardInterrupt.

    A SIGHUP that is ignored, as under nohup, stays ignored. The handlers are installed while the run is training, and
    only if it is in the main thread.
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

        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        self._previous = {number: signal.signal(number, handle) for number in STOP_SIGNALS if number not in ignored}

    def on_end(self, run: Run) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
