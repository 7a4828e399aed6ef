"""Calibration of predicted probabilities and intervals.

Letters: ``n`` rows, ``F`` classes, ``P`` parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 15
"""Number of bins of the confidence, as in Guo et al. (2017)."""


def expected_calibration_error(probability: Floats, labels: NDArray[np.int64], bins: int = BINS) -> float:
    """Return sum_b n_b / n |accuracy_b - confidence_b| over equal bins of the confidence.

    Parameters
    ----------
    probability
        Probabilities [n, F] of the classes. The confidence is that of the most probable class.
    labels
        True classes [n].
    bins
        Number of bins of the interval from 0 to 1.
    """
    confidence = probability.max(axis=1)
    correct = probability.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(bin_of, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


@dataclass(frozen=True)
class ClusteredFraction:
    """A fraction, and its standard error.

    Attributes
    ----------
    value
        The fraction; NaN if nothing was counted.
    error
        Standard error; NaN for fewer than two groups.
    """

    value: float
    error: float


def clustered_fraction(hits: NDArray[np.bool_], counted: NDArray[np.bool_]) -> ClusteredFraction:
    """Return sum h / sum m over all cells, with the standard error of independent rows.

    The error is sqrt(n / (n - 1) sum_i (h_i - p m_i)^2) / sum_i m_i, where h_i and m_i are the hits and the counted
    cells of row i. The cells of a row may depend on each other.

    Parameters
    ----------
    hits, counted
        Whether each cell is a hit, and whether it is counted, [n, P].
    """
    by_row = (hits & counted).sum(axis=1), counted.sum(axis=1)
    used = by_row[1] > 0
    hit, size = by_row[0][used], by_row[1][used]
    rows, total = len(size), int(size.sum())
    if not total:
        return ClusteredFraction(float("nan"), float("nan"))
    value = float(hit.sum() / total)
    if rows < 2:
        return ClusteredFraction(value, float("nan"))
    spread = float(np.square(hit - value * size).sum())
    return ClusteredFraction(value, float(np.sqrt(rows / (rows - 1) * spread) / total))
