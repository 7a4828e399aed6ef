"""Nearest neighbors of rows, and how many of them a representation keeps.

Letters: ``n``, ``m`` rows, ``D``, ``E`` columns, ``k`` neighbors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]


def squared_distances(first: Points, second: Points) -> Floats:
    """Return the squared Euclidean distances [n, m] between points [n, D] and [m, D]."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    products: Floats = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.maximum(products, 0.0, out=products)


def nearest_neighbors(points: Points, count: int) -> NDArray[np.int64]:
    """Return the k nearest other rows [n, k] of each row, nearest first; equal distances are in the order of the rows.

    Parameters
    ----------
    points
        Points [n, D] with n > k.
    count
        Number of neighbors k.
    """
    distances = squareform(pdist(points.astype(np.float64)))  # without cancellation, so that equal distances are equal
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :count]


def neighbor_overlap(first: Points, second: Points, count: int) -> float | None:
    """Return the mean fraction of the k nearest neighbors that two representations of the same rows have in common.

    With exact features as the first representation this is the recall at k of the second one.

    Parameters
    ----------
    first, second
        Representations [n, D] and [n, E].
    count
        Number of neighbors k.

    Returns
    -------
    float or None
        A value in [0, 1]; None with at most k rows.
    """
    if len(first) <= count:
        return None
    pairs = zip(nearest_neighbors(first, count), nearest_neighbors(second, count), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / count for a, b in pairs]))
