"""Findings of an evaluation that a reader has to know before the numbers, as sentences."""

from __future__ import annotations

from spinlock.evaluation.evaluation import Evaluation
from spinlock.preprocessing.copied_rows import MAX_COPIED_FRACTION


def findings(result: Evaluation) -> tuple[str, ...]:
    """Return what makes the numbers of an evaluation doubtful or surprising, most important first."""
    return tuple(sentence for sentence in (_copied(result),) if sentence)


def _copied(result: Evaluation) -> str:
    fraction = result.metrics["copied_validation_rows"]
    if result.rows != "validation" or not fraction or fraction <= MAX_COPIED_FRACTION:
        return ""
    return (
        f"{fraction:.0%} of the validation rows are copies of a training row, so that every number on this page is too "
        "good. Train again with split_by, which keeps rows of the same origin on one side of the split."
    )
