"""Distances between two samples: Kolmogorov-Smirnov for numbers, total variation for codes.

Letters: ``n``, ``m`` rows, ``K`` codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def kolmogorov_smirnov(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Return the largest difference between the empirical distribution functions of two samples.

    ``scipy.stats.ks_2samp`` also computes a p-value, which takes most of its time.

    Parameters
    ----------
    first, second
        Samples [n] and [m].

    Returns
    -------
    float
        A value in [0, 1].
    """
    a, b = np.sort(first), np.sort(second)
    points = np.concatenate([a, b])
    below_a = np.searchsorted(a, points, side="right") / len(a)
    below_b = np.searchsorted(b, points, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def total_variation(first: NDArray[np.int64], second: NDArray[np.int64], size: int) -> float:
    """Return half of the sum of |p_k - q_k| over the K codes of two samples.

    Parameters
    ----------
    first, second
        Codes [n] and [m] from 0 to K - 1.
    size
        Number of codes K.

    Returns
    -------
    float
        A value in [0, 1]; 1 if no code occurs in both samples.
    """
    p, q = (np.bincount(codes, minlength=size) / len(codes) for codes in (first, second))
    return float(np.abs(p - q).sum() / 2)
