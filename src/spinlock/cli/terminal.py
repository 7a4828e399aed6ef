"""The terminal: results go to stdout, log lines and progress to stderr; bars on a terminal, plain lines elsewhere."""

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
"""Width of a line in a file or a pipe, so that nothing is wrapped there."""


class _Output:
    quiet = False


def set_quiet(quiet: bool) -> None:
    """Suppress log lines and progress, so that only results and errors are printed."""
    _Output.quiet = quiet


def is_quiet() -> bool:
    """Whether only results and errors are printed."""
    return _Output.quiet


def stdout() -> Console:
    """The console for results; a file or a pipe gets whole lines."""
    plain = not sys.stdout.isatty()
    width = PLAIN_WIDTH if plain else None
    return Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=plain, width=width)


def log(text: str) -> None:
    """Print one line about the work in progress to stderr."""
    if not _Output.quiet:
        print(text, file=sys.stderr, flush=True)


def log_paragraph(text: str) -> None:
    """Print one line to stderr, wrapped at words on a terminal; for text that nobody pastes."""
    if _Output.quiet or not is_terminal():
        log(text)
    else:
        Console(stderr=True, highlight=False, markup=False).print(Text(text))


def log_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print aligned lines ``name  text`` to stderr; on a terminal long texts are wrapped beside their name."""
    if _Output.quiet:
        return
    if not is_terminal():
        width = max(len(name) for name, _ in fields)
        for name, text in fields:
            log(f"{name:<{width}}  {text}")
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, text in fields:
        grid.add_row(Text(name), Text(text))
    Console(stderr=True, highlight=False, markup=False).print(grid)


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr.isatty()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner while something takes seconds, or print one plain line."""
    if not is_terminal() or _Output.quiet:
        log(f"{what} ...")
        yield
        return
    with Console(stderr=True).status(what):
        yield


@contextmanager
def main_process_only(is_main: bool) -> Iterator[None]:
    """Let only the main process of a group print; errors are printed by each process."""
    if is_main:
        yield
        return
    with Path(os.devnull).open("w") as devnull, redirect_stdout(devnull), redirect_stderr(devnull):
        yield


def program() -> list[str]:
    """The words that start this program: alone, or by torchrun on one or several machines."""
    world_size, local_world_size = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world_size == 1:
        return ["spinlock"]
    machines = ["--nnodes", str(world_size // local_world_size)] if world_size > local_world_size else []
    return ["torchrun", *machines, "--nproc-per-node", str(local_world_size), "-m", "spinlock"]


def command_line() -> str:
    """The command line of this process."""
    return shlex.join([*program(), *sys.argv[1:]])


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
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes as ``80 kB``, ``12 MB`` or ``1.5 GB``."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
