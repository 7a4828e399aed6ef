"""The table of the four targets, as training and ``inspect`` print it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from spinlock.cli.terminal import text_table
from spinlock.metrics.targets import Target


def target_table(targets: Sequence[Target]) -> Table:
    """Return a table with the value and the threshold of each target, and whether it is met."""
    rows = [
        (
            target.metric,
            "none" if target.value is None else f"{target.value:.4f}",
            f"{'>' if target.above else '<'} {target.threshold:.2f}",
            "met" if target.met else "missed",
        )
        for target in targets
    ]
    return text_table(("target", "value", "threshold", ""), rows)
