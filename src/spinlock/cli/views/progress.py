"""A progress bar over rows or operators, or plain lines if stderr is not a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spinlock.cli.terminal import is_quiet, is_terminal, log

PLAIN_SECONDS = 10.0
"""Seconds between two plain lines."""


@contextmanager
def progress(title: str, total: int, unit: str = "rows") -> Iterator[Callable[[int], None]]:
    """Show progress during a ``with`` block.

    Parameters
    ----------
    title
        What is done, for example ``encoding``.
    total
        Number of units.
    unit
        Name of the units.

    Yields
    ------
    callable
        Function of the number of units that were finished since its last call.
    """
    if is_terminal() and not is_quiet():
        columns = (TextColumn(title), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} " + unit))
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda count: bar.advance(task, count)
        return
    done, last = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            log(f"{title}: {done} of {total} {unit}")

    yield advance
