"""A progress bar over rows or operators; plain lines when stderr is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spinlock.cli.terminal import is_terminal, log

PLAIN_SECONDS = 10.0
"""Seconds between two plain lines."""


@contextmanager
def progress(title: str, total: int, unit: str = "rows") -> Iterator[Callable[[int], None]]:
    """Yields a function that is told how many more are done."""
    if is_terminal():
        columns = (TextColumn(title), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} " + unit))
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda rows: bar.advance(task, rows)
        return
    done, last = 0, time.monotonic()

    def advance(rows: int) -> None:
        nonlocal done, last
        done += rows
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            log(f"{title}: {done} of {total} {unit}")

    yield advance
