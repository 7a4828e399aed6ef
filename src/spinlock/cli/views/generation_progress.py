"""Printing of the progress and the result of a generation.

Progress is a bar with rate and remaining time, or plain lines if stderr is not a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from spinlock.cli.terminal import format_bytes, format_duration, is_quiet, is_terminal, log, stdout
from spinlock.cli.views.generation_plan import describe_balance
from spinlock.cli.views.progress import PLAIN_SECONDS
from spinlock.generation.callbacks import GenerationCallback

if TYPE_CHECKING:
    from spinlock.generation.blocks import Block
    from spinlock.generation.generate import GenerationResult
    from spinlock.runtime.process_group import ProcessGroup


class GenerationProgress(GenerationCallback):
    """Prints the progress of a generation to stderr and its result to stdout; a context manager."""

    def __init__(self) -> None:
        self._started = self._last_line = time.monotonic()
        self._total = self._finished = self._finished_before = 0
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._prefix = ""

    def on_start(self, blocks: Sequence[Block], finished: Sequence[Block], group: ProcessGroup) -> None:
        """Start the bar."""
        self._total = sum(len(block.members) for block in blocks)
        self._finished = self._finished_before = sum(len(block.members) for block in finished)
        self._started = time.monotonic()
        self._prefix = "" if group.world_size == 1 else f"process {group.rank} of {group.world_size}: "
        if finished:
            log(f"{self._prefix}resuming: {self._finished} of {self._total} operators are computed already")
        if is_terminal() and not is_quiet():
            columns = (TextColumn("generating"), BarColumn(), TextColumn("{task.description}"))
            # The streams are not redirected, because forked workers would then need a lock of the bar to print.
            self._bar = Progress(
                *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._bar.start()
            self._task = self._bar.add_task(self._status(), total=self._total, completed=self._finished)

    def on_block(self, block: Block) -> None:
        """Advance the bar, or print a line from time to time."""
        self._finished += len(block.members)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._finished, description=self._status())
        elif time.monotonic() - self._last_line >= PLAIN_SECONDS:
            self._last_line = time.monotonic()
            log(f"{self._prefix}generating: {self._status()}")

    def on_wait(self) -> None:
        """Log that this process waits for the others."""
        self._stop()
        log(f"{self._prefix}finished, waiting for the other processes")

    def on_merge(self) -> None:
        """Log that the dataset is being written."""
        self._stop()
        log("writing the dataset ...")

    def on_end(self, result: GenerationResult) -> None:
        """Print the result."""
        console = stdout()
        if result.was_complete:
            console.print(f"the dataset was complete already: {result.output}")
            return
        if result.balance is not None:
            console.print(describe_balance(result.balance))
        console.print(
            f"{result.num_diverged} of {result.num_operators} operators have a run in which |u| exceeded "
            f"{result.blow_up_bound:g} (see /metadata/blow_up)"
        )
        all_computed = result.num_computed == result.num_operators
        rate = f" ({result.num_computed / result.seconds:.1f} operators/s)" if all_computed else ""
        console.print(
            f"generated {result.num_operators} operators, {result.num_computed} of them in this run in "
            f"{format_duration(result.seconds)}{rate}; {format_bytes(result.output.stat().st_size)} written: "
            f"{result.output}"
        )

    def _status(self) -> str:
        """Return the number of finished operators, the rate and the remaining time."""
        num_computed = self._finished - self._finished_before
        seconds = time.monotonic() - self._started
        status = f"{self._finished}/{self._total} operators"
        if not num_computed or seconds <= 0:
            return status
        remaining = format_duration((self._total - self._finished) * seconds / num_computed)
        return f"{status}, {num_computed / seconds:.1f} operators/s, {remaining} left"

    def _stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
