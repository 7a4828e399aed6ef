"""Progress of an evaluation, and the printing of its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from spinlock.cli.terminal import is_quiet, is_terminal, log, stdout
from spinlock.cli.views.targets import print_targets
from spinlock.evaluation.evaluation import Evaluation


@contextmanager
def section_progress(steps: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """Show the steps of a ``with`` block; yield a function that is called with the name of each step as it begins."""
    if not is_terminal() or is_quiet():
        yield lambda name: log(f"measuring: {name}")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=len(steps))

        def advance(name: str) -> None:
            bar.update(task, description=name, completed=steps.index(name))

        yield advance


def print_evaluation(result: Evaluation, page: Path) -> None:
    """Print the targets, the advice on missed ones, and the path of the report."""
    console = stdout()
    rows = {"validation": "validation rows of the training table", "all": "rows (all)", "sample": "rows (sampled)"}
    console.print(f"{result.num_rows} {rows[result.rows]} were measured")
    print_targets(console, result.metrics)
    for metric, text in result.advice.items():
        console.print(f"{metric}: {text}.")
    if result.compression is not None:
        bits = result.compression
        console.print(
            f"{bits.nominal_bits:.0f} bits per row, {bits.autoregressive_bits:.0f} with an entropy coder; "
            f"a row of float32 takes {bits.float32_bits} bits"
        )
    console.print(f"report: {page}")
