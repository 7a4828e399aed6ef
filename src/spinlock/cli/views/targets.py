"""The four targets with the notes on them, as training and ``inspect`` print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from spinlock.cli.terminal import text_table
from spinlock.evaluation.quality_notes import quality_notes, second_values
from spinlock.evaluation.report import targets_of


def print_targets(console: Console, metrics: Mapping[str, Any]) -> None:
    """Print the value and the threshold of each target, the rank quality, a second orthogonality, and the notes."""
    rows = [
        (
            target.metric,
            "none" if target.value is None else f"{target.value:.4f}",
            f"{'>' if target.above else '<'} {target.threshold:.2f}",
            "met" if target.met else "missed",
        )
        for target in targets_of(metrics)
    ]
    console.print(text_table(("target", "value", "threshold", ""), rows))
    for line in (*second_values(metrics), *quality_notes(metrics)):
        console.print(line)
