"""Asking a run to stop: a signal, a time limit. The step in progress is finished and the state saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Remembers why to stop; ``max_seconds`` is counted from when the request was made."""

    def __init__(self, max_seconds: float | None = None) -> None:
        self._reason: str | None = None
        self._limit = max_seconds
        self._deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.signal: int | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop, or None to go on."""
        if self._reason is None and self._deadline is not None and time.monotonic() >= self._deadline:
            self._reason = f"the time limit of {self._limit:g} s is reached"
        return self._reason

    def stop(self, reason: str) -> None:
        """Ask for a stop after the current step; the first reason is kept."""
        self._reason = self._reason or reason

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within the block SIGINT, SIGTERM and SIGUSR1 ask for a stop; a second SIGINT interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        interrupted = False

        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal interrupted
            if number == signal.SIGINT and interrupted:
                raise KeyboardInterrupt
            interrupted = interrupted or number == signal.SIGINT
            self.signal = number
            self.stop(f"{signal.Signals(number).name} was received")

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
