"""The section *reconstruction*: errors of the rows.

Letters: ``m`` rows, ``U`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.reconstruction.worst_rows import WorstRow, worst_rows
from spinlock.evaluation.reference import ReferenceRows
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.reconstruction import quality_by_group, squared_sums
from spinlock.metrics.two_samples import kolmogorov_smirnov

BINS = 40
"""Number of bins of the histogram of errors."""

FLOOR = 1e-6
"""Smallest root mean square error of the histogram, so that its logarithm is finite."""


@dataclass(frozen=True)
class ErrorDrift:
    """Errors of the evaluated rows beside those of the validation rows of the training run.

    Attributes
    ----------
    distance
        Kolmogorov-Smirnov distance between the two distributions of errors.
    median_ratio
        Median error of the evaluated rows divided by that of the validation rows; None if the latter is 0.
    share_above
        Fraction of the evaluated rows whose error is above the 95th percentile of the validation rows, which is 0.05
        for rows like them.
    """

    distance: float
    median_ratio: float | None
    share_above: float


@dataclass(frozen=True)
class ErrorHistogram:
    """Histogram of root mean square errors, in normalized units.

    Attributes
    ----------
    edges
        Edges of the bins, evenly spaced in the logarithm.
    rows, validation
        Fractions of the evaluated rows, and of the validation rows of the training run.
    """

    edges: tuple[float, ...]
    rows: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass(frozen=True)
class Reconstruction:
    """Errors of the rows.

    Attributes
    ----------
    error_median, error_95, error_max
        Median, 95th percentile and maximum of the root mean square error of a row, in normalized units.
    histogram
        Histogram of these errors.
    drift
        Comparison with the validation rows of the training run; None if these are the evaluated rows, or if the
        checkpoint has no errors of validation rows.
    quality_by_category_and_level
        {category: quality of its columns from one, two and three levels of all tokens}, worst first.
    worst
        The rows with the largest errors, with the likely causes.
    imputed, clipped
        Mean fractions of the cells of a row that were imputed and clipped.
    """

    error_median: float
    error_95: float
    error_max: float
    histogram: ErrorHistogram
    drift: ErrorDrift | None
    quality_by_category_and_level: dict[str, tuple[float, ...]]
    worst: tuple[WorstRow, ...]
    imputed: float
    clipped: float


def measure_reconstruction(
    rows: EvaluatedRows, reference: ReferenceRows, validation_errors: NDArray[np.floating], seed: int
) -> Reconstruction:
    """Measure the errors of the rows.

    Parameters
    ----------
    rows
        Evaluated rows.
    reference
        Reference rows. If they are training rows, the worst rows are compared with them.
    validation_errors
        Mean squared errors of the validation rows of the training run, in normalized units, in ascending order.
    seed
        Seed of the sample of distances.

    Returns
    -------
    Reconstruction
    """
    errors = np.sqrt(rows.error.astype(np.float64))
    known = np.sqrt(validation_errors.astype(np.float64))
    by_level = [quality_by_group(*squared_sums(rows.z_scores, decoded), rows.spec.groups) for decoded in rows.decoded]
    by_category = dict(zip(rows.spec.category_names, zip(*by_level, strict=True), strict=True))
    return Reconstruction(
        error_median=float(np.median(errors)),
        error_95=float(np.quantile(errors, 0.95)),
        error_max=float(errors.max()),
        histogram=_histogram(errors, known),
        drift=None if reference.is_training else error_drift(errors, known),
        quality_by_category_and_level=dict(sorted(by_category.items(), key=lambda item: item[1][-1])),
        worst=worst_rows(rows, reference, known, seed),
        imputed=float(rows.imputed.mean()),
        clipped=float(rows.clipped.mean()),
    )


def error_drift(errors: NDArray[np.float64], known: NDArray[np.float64]) -> ErrorDrift | None:
    """Compare errors with those of the validation rows; None if there are no validation rows."""
    if len(known) == 0:
        return None
    median = float(np.median(known))
    return ErrorDrift(
        distance=kolmogorov_smirnov(errors, known),
        median_ratio=float(np.median(errors)) / median if median > 0 else None,
        share_above=float((errors > np.quantile(known, 0.95)).mean()),
    )


def _histogram(errors: NDArray[np.float64], known: NDArray[np.float64]) -> ErrorHistogram:
    together = np.log10(np.maximum(np.concatenate([errors, known]), FLOOR))
    low, high = float(together.min()), float(together.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(np.log10(np.maximum(each, FLOOR)), edges)[0] / max(1, len(each)) for each in (errors, known)]
    return ErrorHistogram(*(tuple(values.tolist()) for values in (10**edges, *shares)))
