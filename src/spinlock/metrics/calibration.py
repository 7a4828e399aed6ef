"""Calibration of predicted probabilities and intervals.

Letters: ``n`` rows, ``F`` classes.
"""

from __future__ import annotations

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
