"""Progress of a training run: a bar with the five losses and the four target metrics, or plain lines."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from spinlock.cli.terminal import is_terminal, log
from spinlock.config import VQVAEConfig
from spinlock.training.history import Record
from spinlock.training.validation import ValidationResult

LOSSES = {
    "reconstruction": "rec",
    "commitment": "com",
    "orthogonality": "orth",
    "informativeness": "inf",
    "topographic": "topo",
}


class TrainingProgress:
    """An observer that shows epochs, losses and metrics on stderr; a context manager."""

    def __init__(self, config: VQVAEConfig, orthogonality: float) -> None:
        self.config = config
        self.orthogonality = orthogonality
        self.seconds = 0.0
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._metrics = ""

    def __enter__(self) -> Self:
        """Start the clock and, on a terminal, the bar."""
        self._started = time.monotonic()
        if is_terminal():
            columns = (
                TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(bar_width=20),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}  {task.fields[metrics]}"),
            )
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=max(1, self.config.epochs), losses="", metrics="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the bar."""
        self.seconds = time.monotonic() - self._started
        if self._bar is not None:
            self._bar.stop()

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Move the bar within the epoch."""
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch - 1 + step / steps)

    def epoch(self, epoch: int, record: Record, validation: ValidationResult | None, best: bool) -> None:
        """Show the losses of the epoch and, after a validation, the metrics."""
        losses = " ".join(
            f"{short} {value:.4f}"
            for name, short in LOSSES.items()
            if (value := record.get(f"train_{name}")) is not None
        )
        if validation is not None:
            self._metrics = (
                f"quality {validation.quality:.4f} utilization {validation.utilization:.3f} "
                f"topographic {validation.topographic_correlation:.4f} orthogonality {self.orthogonality:.3f}"
            )
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch, losses=losses, metrics=self._metrics)
        if validation is not None and self.config.verbose:
            line = f"epoch {epoch}: {losses + '; ' if losses else ''}{self._metrics}{' (best so far)' if best else ''}"
            if self._bar is not None:
                self._bar.console.print(line, highlight=False, soft_wrap=True)
            else:
                log(line)

    def saved(self, epoch: int) -> None:
        """Saving is not worth a line."""
