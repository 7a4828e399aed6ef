"""Findings of an evaluation that a reader has to know before the numbers, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from spinlock.errors import shortened
from spinlock.evaluation.evaluation import Evaluation
from spinlock.evaluation.reconstruction.worst_rows import MANY_IMPUTED
from spinlock.io.names import join_names
from spinlock.preprocessing.copied_rows import MAX_COPIED_FRACTION

FEW_ROWS = 100
"""Number of rows below which all numbers are uncertain."""

MANY_DEAD, MANY_DEAD_OF_CODEBOOK, MANY_COPIED, MANY_ALIASED, LARGE_DRIFT = 0.05, 0.34, 0.01, 0.01, 0.15
"""Fractions of dead codes of all codebooks and of one, of copied rows and aliased rows, and of rows with large errors,
above which a finding says so."""


def findings(result: Evaluation) -> tuple[str, ...]:
    """Return what makes the numbers of an evaluation doubtful or surprising, most important first."""
    return (
        *_copied_training_rows(result),
        *(f"{note}." for note in result.notes),
        *_leaks(result),
        *_codebooks(result),
        *_copied_rows(result),
        *_aliases(result),
        *_missing(result),
        *_drift(result),
        *_amount(result),
    )


def _copied_training_rows(result: Evaluation) -> Iterator[str]:
    fraction = result.metrics["copied_validation_rows"]
    if result.rows == "validation" and fraction and fraction > MAX_COPIED_FRACTION:
        yield (
            f"{fraction:.0%} of the validation rows are copies of a training row, so that the qualities are "
            "overestimated. Train again with split_by, which keeps rows of the same origin on one side of the split."
        )


def _leaks(result: Evaluation) -> Iterator[str]:
    if result.discriminability is None:
        return
    for attribute in result.discriminability.attributes:
        columns = attribute.determined_by
        if columns:
            which = (
                f"column {columns[0]} determines"
                if len(columns) == 1
                else f"columns {join_names(columns, 4)} determine"
            )
            yield (
                f"The input {which} {attribute.name}, so that the tokens contain it. Leave "
                f"{'this column' if len(columns) == 1 else 'these columns'} out if the tokens are used to predict it."
            )


def _codebooks(result: Evaluation) -> Iterator[str]:
    health = result.health
    if health is None:
        return
    for names, what in (
        (health.zero_bit_codebooks, "carries no bits, because one code has almost all rows"),
        (health.determined_codebooks, "carries no bits, because its code follows from the coarser codes"),
    ):
        if len(names) == 1:
            yield f"The codebook {names[0]} {what}. A smaller num_codes gives the same quality."
        elif names:
            listed = shortened(", ".join(names), 300)
            plural = what.replace("carries", "carry", 1).replace("its code follows", "their codes follow")
            yield f"{len(names)} codebooks {plural}: {listed}. Smaller num_codes give the same quality."
    worst = max(health.codebooks, key=lambda codebook: len(codebook.dead_codes) / codebook.size)
    if (
        health.num_dead_codes > MANY_DEAD * health.num_codes
        or len(worst.dead_codes) > MANY_DEAD_OF_CODEBOOK * worst.size
    ):
        known = "evaluated and training rows" if result.setup.same_table else "rows"
        yield (
            f"{health.num_dead_codes:,} of {health.num_codes:,} codes are used by none of {health.num_known_rows:,} "
            f"{known}. The largest fraction is in {worst.name} ({len(worst.dead_codes)} of {worst.size})."
        )


def _copied_rows(result: Evaluation) -> Iterator[str]:
    aliasing = result.aliasing
    if aliasing is not None and aliasing.num_copied_rows > MANY_COPIED * result.setup.num_rows:
        share = aliasing.num_copied_rows / result.setup.num_rows
        yield f"{share:.0%} of the evaluated rows are copies of another one, so that they count more than once."


def _aliases(result: Evaluation) -> Iterator[str]:
    aliasing = result.aliasing
    if aliasing is not None and aliasing.num_aliased_rows > MANY_ALIASED * result.setup.num_rows:
        share = aliasing.num_aliased_rows / result.setup.num_rows
        yield f"{share:.0%} of the rows share all tokens with a row of other features. More bits can separate them."


def _missing(result: Evaluation) -> Iterator[str]:
    imputed = result.reconstruction.imputed if result.reconstruction is not None else 0.0
    if imputed > MANY_IMPUTED:
        yield (
            f"{imputed:.0%} of the cells are missing or infinite. The training median replaces them, and the tokens "
            "describe the replaced values."
        )


def _drift(result: Evaluation) -> Iterator[str]:
    drift = result.reconstruction.drift if result.reconstruction is not None else None
    if drift is not None and drift.share_above > LARGE_DRIFT:
        yield (
            f"{drift.share_above:.0%} of the rows have larger errors than 95% of the validation rows of the training "
            "run. They are unlike the rows on which the model was trained."
        )


def _amount(result: Evaluation) -> Iterator[str]:
    if result.setup.sampled:
        total = result.num_rows if result.setup.same_table else result.setup.num_table_rows
        yield (
            f"The sections are measured on a random sample of {result.setup.num_rows:,} of {total:,} rows. A higher "
            "maximum number of rows (max_rows) measures more of them."
        )
    if result.setup.num_rows < FEW_ROWS:
        yield f"Only {result.setup.num_rows} rows are measured, so that all numbers are uncertain."
