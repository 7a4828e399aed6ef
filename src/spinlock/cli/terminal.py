"""Output to the terminal: results to stdout, log lines and progress to stderr.

Progress is a bar if stderr is a terminal, else plain lines. Text that comes from files, such as names of columns, can
contain control characters. They are escaped, because they could move the cursor or add lines that look like output of
Spinlock.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spinlock.cli.streams import null_stream
from spinlock.errors import printable, shortened

INTERRUPTED = 130
"""Exit code of an interrupted command."""

PLAIN_WIDTH = 10_000
"""Width of a line in a file or a pipe, which is so large that no line is wrapped."""


MAX_LINE_LENGTH, MAX_CELL_LENGTH = 2000, 200
"""Maximum number of characters of a line of a result and of a cell of a table. Text of a file can be much longer."""


class _Output:
    quiet = False


def set_quiet(quiet: bool) -> None:
    """Suppress log lines and progress, so that only results and errors are printed."""
    _Output.quiet = quiet


def is_quiet() -> bool:
    """Return whether only results and errors are printed."""
    return _Output.quiet


class ResultConsole(Console):
    """The console for results; lines are not wrapped in a file or a pipe."""

    def __init__(self) -> None:
        plain = not sys.stdout.isatty()
        width = PLAIN_WIDTH if plain else None
        super().__init__(file=sys.stdout, highlight=False, markup=False, soft_wrap=plain, width=width)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects, each text in one line of limited length."""
        lines = (shortened(printable(item), MAX_LINE_LENGTH) if isinstance(item, str) else item for item in objects)
        super().print(*lines, **options)

    def print_lines(self, text: str) -> None:
        """Print a text of several lines."""
        for line in text.splitlines():
            self.print(line)


def stdout() -> ResultConsole:
    """Return the console for results."""
    return ResultConsole()


def log(text: str) -> None:
    """Print one log line to stderr."""
    if not _Output.quiet:
        print_error_line(printable(text))


def print_error_line(text: str) -> None:
    """Print a text to stderr. If stderr cannot be written to, this and later texts are discarded."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = null_stream()


def log_paragraph(text: str) -> None:
    """Print one log line to stderr, wrapped between words on a terminal; not for commands, which are copied."""
    if _Output.quiet or not is_terminal():
        log(text)
    else:
        Console(stderr=True, highlight=False, markup=False).print(Text(printable(text)))


def log_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print aligned lines ``name  text`` to stderr; on a terminal a long text is wrapped within its column."""
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
        grid.add_row(Text(name), Text(printable(text)))
    Console(stderr=True, highlight=False, markup=False).print(grid)


def is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr.isatty()


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Show a spinner during a ``with`` block, or print one plain line if stderr is not a terminal."""
    if not is_terminal() or _Output.quiet:
        log(f"{what} ...")
        yield
        return
    with Console(stderr=True).status(what):
        yield


@contextmanager
def main_process_only(is_main: bool) -> Iterator[None]:
    """Discard the output of a ``with`` block unless this is the main process; errors are raised in all processes."""
    if is_main:
        yield
        return
    with Path(os.devnull).open("w") as devnull, redirect_stdout(devnull), redirect_stderr(devnull):
        yield


def program() -> list[str]:
    """Return the command that starts this program, with ``torchrun`` if there are several processes."""
    world_size, local_world_size = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world_size == 1:
        return ["spinlock"]
    machines = ["--nnodes", str(world_size // local_world_size)] if world_size > local_world_size else []
    return ["torchrun", *machines, "--nproc-per-node", str(local_world_size), "-m", "spinlock"]


def command_line() -> str:
    """Return the command line of this process."""
    return shlex.join([*program(), *sys.argv[1:]])


def resume_command(last: Path) -> str:
    """Return the command line that resumes the run of this process from its ``last.pt``."""
    kept = []
    skip = False
    for argument in sys.argv[1:]:
        if skip:
            skip = False
        elif argument == "--resume-from":
            skip = True
        elif argument != "--overwrite" and not argument.startswith("--resume-from="):
            kept.append(argument)
    return shlex.join([*program(), *kept, "--resume-from", str(last)])


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    """Return a plain table; every column but the first is right-aligned."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, show_edge=False, title_style="bold")
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(shortened(printable(cell), MAX_CELL_LENGTH)) for cell in row))
    return grid


def format_duration(seconds: float) -> str:
    """Return a duration as ``12 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def format_bytes(count: float) -> str:
    """Return a number of bytes as ``80 kB``, ``12 MB`` or ``1.5 GB``."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
