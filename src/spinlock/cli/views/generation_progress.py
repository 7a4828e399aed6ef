"""How a generation goes on: a bar with operators per second and time left; plain lines when stderr is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from spinlock.cli.terminal import duration, is_terminal, log
from spinlock.cli.views.progress import PLAIN_SECONDS

if TYPE_CHECKING:
    from spinlock.generation.blocks import Block
    from spinlock.runtime.process_group import ProcessGroup


class GenerationProgress:
    """An observer of a generation."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._said = self._started
        self._total = self._done = self._before = 0
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._who = ""

    def planned(self, blocks: Sequence[Block], done: Sequence[Block], share: ProcessGroup) -> None:
        """The blocks of this process, and those done before."""
        self._total = sum(len(block.members) for block in blocks)
        self._done = self._before = sum(len(block.members) for block in done)
        self._started = time.monotonic()
        self._who = "" if share.world_size == 1 else f"process {share.rank} of {share.world_size}: "
        if done:
            log(f"{self._who}going on: {self._done} of {self._total} operators are done")
        if is_terminal():
            columns = (TextColumn("generating"), BarColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._line(), total=self._total, completed=self._done)

    def computed(self, block: Block) -> None:
        """One block more."""
        self._done += len(block.members)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self._line())
        elif time.monotonic() - self._said >= PLAIN_SECONDS:
            self._said = time.monotonic()
            log(f"{self._who}generating: {self._line()}")

    def waiting(self) -> None:
        """Done, the others are not."""
        self._stop()
        log(f"{self._who}done, waiting for the others")

    def joining(self) -> None:
        """The dataset is being written."""
        self._stop()
        log("writing the dataset ...")

    def _line(self) -> str:
        fresh = self._done - self._before
        seconds = time.monotonic() - self._started
        line = f"{self._done}/{self._total} operators"
        if not fresh or seconds <= 0:
            return line
        left = duration((self._total - self._done) * seconds / fresh)
        return f"{line}, {fresh / seconds:.1f} operators/s, {left} left"

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
