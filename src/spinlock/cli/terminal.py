"""Printing: results to stdout, log lines and progress to stderr; bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

INTERRUPTED = 130

PLAIN_WIDTH = 10_000


def out() -> Console:
    """Where results go; a file or a pipe gets whole lines."""
    plain = not sys.stdout.isatty()
    width = PLAIN_WIDTH if plain else None
    return Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=plain, width=width)


def program() -> list[str]:
    """How this command was started: alone, or by torchrun (on each of several machines)."""
    count, of_machine = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if count == 1:
        return ["spinlock"]
    machines = ["--nnodes", str(count // of_machine)] if count > of_machine else []
    return ["torchrun", *machines, "--nproc-per-node", str(of_machine), "-m", "spinlock"]


def command_line() -> str:
    """This command, to be given again."""
    return shlex.join([*program(), *sys.argv[1:]])


def log(text: str) -> None:
    """One line of what is going on, to stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def first_only(first: bool) -> Iterator[None]:
    """Of several processes only the first one prints what all of them have to say; errors are told by each."""
    if first:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def is_terminal() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty()


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner while something takes seconds, or one plain line."""
    if not is_terminal():
        log(f"{what} ...")
        yield
        return
    with Console(stderr=True).status(what):
        yield


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    """A plain table; every column but the first is right-aligned."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, show_edge=False, title_style="bold")
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    return grid


def duration(seconds: float) -> str:
    """Seconds as ``12 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes as ``80 kB``, ``12 MB`` or ``1.5 GB``."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
