"""The table of the four targets, as training and ``inspect`` print it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from spinlock.cli.terminal import table
from spinlock.evaluation.final_metrics import target_table


def target_rows(metrics: Mapping[str, Any]) -> Table:
    """What was reached, what was wanted, and whether it is met."""
    rows = [
        (
            target.metric,
            "none" if target.value is None else f"{target.value:.4f}",
            f"{'>' if target.above else '<'} {target.threshold:.2f}",
            "met" if target.met else "missed",
        )
        for target in target_table(metrics)
    ]
    return table(("target", "reached", "wanted", ""), rows)
