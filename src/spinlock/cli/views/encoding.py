"""The output of ``encode-to-tokens``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spinlock.cli.terminal import log, stdout
from spinlock.cli.views.notes import log_notes

if TYPE_CHECKING:
    from spinlock.encoding import EncodingSummary


def print_summary(summary: EncodingSummary, output: Path) -> None:
    """Print the counts of an encoded dataset, and log the notes on its content."""
    console = stdout()
    if summary.was_complete:
        console.print(f"the shard was complete already: {output}")
        return
    console.print(f"encoded {summary.rows} rows as {summary.tokens_per_row} tokens each; written: {output}")
    console.print(
        f"mean reconstruction error {summary.mean_error:.4f} (normalized units), imputed cells "
        f"{summary.imputed_cells}, clipped cells {summary.clipped_cells}, extra columns ignored "
        f"{summary.extra_columns}, rows with a near tie between codes {summary.near_tie_rows}"
    )
    log_notes(summary.notes)
    if summary.range_warning:
        log(f"warning: {summary.range_warning}")
    console.print(f"{summary.seconds:.1f} s, {summary.rows / summary.seconds:.0f} rows per second")
