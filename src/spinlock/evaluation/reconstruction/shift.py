"""The section *shift*: how a second dataset differs from the evaluated rows.

Letters: ``m``, ``n`` rows of the two datasets, ``U`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.reconstruction.section import ErrorDrift, error_drift
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.reconstruction import reconstruction_quality
from spinlock.metrics.two_samples import kolmogorov_smirnov, total_variation

MAX_COLUMNS = 40
"""Number of columns that are listed, those that differ most."""


@dataclass(frozen=True)
class ColumnShift:
    """Shift of one column.

    Attributes
    ----------
    column
        Name.
    distance
        Kolmogorov-Smirnov distance between the two datasets.
    mean_shift
        Difference of the means, in standard deviations of the training rows.
    spread_ratio
        Ratio of the standard deviations; None if the first one is 0.
    """

    column: str
    distance: float
    mean_shift: float
    spread_ratio: float | None


@dataclass(frozen=True)
class Shift:
    """Differences between a second dataset and the evaluated rows.

    Attributes
    ----------
    table
        Path of the second dataset.
    num_rows
        Number of its rows that are measured.
    quality
        Reconstruction quality of these rows.
    errors
        Their errors beside those of the evaluated rows.
    noise_distance
        Kolmogorov-Smirnov distance that 95 % of columns without any shift stay below, 1.36 sqrt(1/m + 1/n).
    share_of_shifted_columns
        Fraction of the columns whose distance is above it.
    columns
        The 40 columns with the largest distances.
    tokens_by_category
        {category: total variation distance between the codes of its first level}.
    clipped, imputed
        Mean fractions of the cells of a row of the second dataset that were clipped and imputed.
    """

    table: str
    num_rows: int
    quality: float
    errors: ErrorDrift | None
    noise_distance: float
    share_of_shifted_columns: float
    columns: tuple[ColumnShift, ...]
    tokens_by_category: dict[str, float]
    clipped: float
    imputed: float


def measure_shift(rows: EvaluatedRows, other: EvaluatedRows, table: str) -> Shift:
    """Compare a second dataset with the evaluated rows.

    Parameters
    ----------
    rows
        Evaluated rows.
    other
        Rows of the second dataset, encoded by the same tokenizer.
    table
        Path of the second dataset.

    Returns
    -------
    Shift
    """
    noise = 1.36 * float(np.sqrt(1 / len(rows) + 1 / len(other)))
    columns = [
        _column_shift(name, rows.z_scores[:, j], other.z_scores[:, j])
        for j, name in enumerate(rows.coder.cleaner.kept_names)
    ]
    tokens = {
        name: total_variation(rows.tokens[:, c, 0], other.tokens[:, c, 0], rows.spec.num_codes[c][0])
        for c, name in enumerate(rows.spec.category_names)
    }
    errors = [np.sqrt(each.error.astype(np.float64)) for each in (other, rows)]
    return Shift(
        table=table,
        num_rows=len(other),
        quality=reconstruction_quality(other.z_scores, other.decoded[-1]),
        errors=error_drift(*errors),
        noise_distance=noise,
        share_of_shifted_columns=float(np.mean([column.distance > noise for column in columns])),
        columns=tuple(sorted(columns, key=lambda column: -column.distance)[:MAX_COLUMNS]),
        tokens_by_category=dict(sorted(tokens.items(), key=lambda item: -item[1])),
        clipped=float(other.clipped.mean()),
        imputed=float(other.imputed.mean()),
    )


def _column_shift(name: str, first: np.ndarray, second: np.ndarray) -> ColumnShift:
    spread = float(first.std())
    return ColumnShift(
        column=name,
        distance=kolmogorov_smirnov(first, second),
        mean_shift=float(second.mean() - first.mean()),
        spread_ratio=float(second.std()) / spread if spread > 0 else None,
    )
