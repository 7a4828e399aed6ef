"""The rows with the largest reconstruction errors, and the likely causes.

Letters: ``m`` rows, ``U`` kept columns, ``n`` other rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.reference import ReferenceRows
from spinlock.evaluation.rows import EvaluatedRows, Rows
from spinlock.metrics.neighbors import squared_distances

COUNT, COLUMNS = 20, 3
"""Number of rows that are listed, and number of columns that are listed for each row."""

MANY_CLIPPED, MANY_IMPUTED = 0.02, 0.05
"""Fractions of clipped and imputed cells that are named as a cause."""

MAX_OTHERS, MAX_TYPICAL = 4000, 500
"""Maximum number of rows among which a nearest one is searched, and of rows whose distances show what is usual."""

UNUSUAL = 0.95
"""Quantile of the usual distances to the nearest row above which a row is unlike any other."""


@dataclass(frozen=True)
class ColumnError:
    """A column of a row: its value and the decoded value, in standard deviations from the training mean."""

    column: str
    value: float
    decoded: float


@dataclass(frozen=True)
class WorstRow:
    """A row with a large error.

    Attributes
    ----------
    row, operator
        Positions of the row and of its operator in the table.
    error
        Root mean square error in normalized units.
    percentile
        Percentage of the validation rows of the training run with a smaller error.
    clipped, imputed
        Fractions of the cells that were clipped and imputed.
    nearest_distance
        Root mean square difference from the nearest of at most 4,000 training rows, or of at most 4,000 other evaluated
        rows for a table on which the model was not trained, in standard deviations.
    causes
        Sentences about the likely causes; empty if none was found.
    columns
        The columns with the largest errors.
    """

    row: int
    operator: int
    error: float
    percentile: float
    clipped: float
    imputed: float
    nearest_distance: float
    causes: tuple[str, ...]
    columns: tuple[ColumnError, ...]


def worst_rows(
    rows: EvaluatedRows, reference: ReferenceRows, validation_errors: NDArray[np.float64], seed: int
) -> tuple[WorstRow, ...]:
    """Return the rows with the largest errors, the largest first.

    Parameters
    ----------
    rows
        Evaluated rows.
    reference
        Reference rows. If they are training rows, the nearest one is searched among them, and otherwise among the
        evaluated rows.
    validation_errors
        Root mean square errors of the validation rows of the training run, in ascending order.
    seed
        Seed of the sample of distances.

    Returns
    -------
    tuple of WorstRow
    """
    random = np.random.default_rng(seed)
    errors = np.sqrt(rows.error.astype(np.float64))
    chosen = np.argsort(-errors, kind="stable")[:COUNT]
    others = reference.z_scores if reference.is_training else rows.z_scores
    others = others[np.sort(random.permutation(len(others))[:MAX_OTHERS])]
    typical = nearest_distances(others[random.permutation(len(others))[:MAX_TYPICAL]], others, skip_equal=True)
    usual = float(np.quantile(typical, UNUSUAL))
    distances = nearest_distances(rows.z_scores[chosen], others, skip_equal=not reference.is_training)
    what = "training row" if reference.is_training else "other evaluated row"
    return tuple(
        _worst_row(rows, int(position), float(distance), validation_errors, usual, what)
        for position, distance in zip(chosen, distances, strict=True)
    )


def nearest_distances(points: Rows, others: Rows, *, skip_equal: bool) -> NDArray[np.float64]:
    """Return the root mean square difference of each point [m, U] from the nearest of other points [n, U].

    With ``skip_equal`` one other point that equals the point, such as the point itself, is not counted.
    """
    squared = np.sort(squared_distances(points, others), axis=1)
    if skip_equal and squared.shape[1] > 1:
        rounding = 1e-9 * np.square(points.astype(np.float64)).sum(1)
        squared = np.where(squared[:, 0] <= rounding, squared[:, 1], squared[:, 0])[:, None]
    nearest: NDArray[np.float64] = np.sqrt(squared[:, 0] / points.shape[1])
    return nearest


def _worst_row(
    rows: EvaluatedRows, index: int, distance: float, validation_errors: NDArray[np.float64], usual: float, what: str
) -> WorstRow:
    clipped, imputed = float(rows.clipped[index]), float(rows.imputed[index])
    causes = []
    if imputed > MANY_IMPUTED:
        causes.append(f"{imputed:.0%} of its values are missing and were imputed")
    if clipped > MANY_CLIPPED:
        causes.append(f"{clipped:.0%} of its values are outside the training range and were clipped")
    if distance > usual:
        causes.append(
            f"it is unlike the {what}s: the nearest one is at distance {distance:.2f}, and 95% of them have one within "
            f"{usual:.2f}"
        )
    values, decoded = rows.z_scores[index], rows.decoded[-1][index]
    worst = np.argsort(-np.abs(values - decoded), kind="stable")[:COLUMNS]
    names = rows.coder.cleaner.kept_names
    error = float(np.sqrt(rows.error[index]))
    return WorstRow(
        row=int(rows.positions[index]),
        operator=int(rows.operators[index]),
        error=error,
        percentile=100.0
        * float(np.searchsorted(validation_errors, error * (1 - 1e-6)))
        / max(1, len(validation_errors)),
        clipped=clipped,
        imputed=imputed,
        nearest_distance=distance,
        causes=tuple(causes),
        columns=tuple(ColumnError(names[j], float(values[j]), float(decoded[j])) for j in worst),
    )
