"""Orthogonality of categories: max over pairs |cos(g_c, g_d)| of their centroids g_c = mean_{j in c} s_j x_j.

s_j is the sign of column j's loading on the first principal component of its category over the training rows, so that
columns which vary together with opposite signs do not cancel. On training rows the columns are centered and scaled, so
the cosine of two centroids is a quadratic form in the correlation matrix R: cos = a'R b / sqrt(a'R a  b'R b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsyevr

Floats = NDArray[np.float64]

BOOTSTRAP_DRAWS = 200


@dataclass(frozen=True)
class BootstrapInterval:
    """A statistic with the 5th and 95th percentile of its bootstrap distribution."""

    value: float
    low: float
    high: float


def loading_signs(correlation: Floats) -> Floats:
    """Signs [m] of the leading eigenvector of a correlation block [m, m]; zero counts as plus.

    The sign of the vector itself is fixed by its largest entry.
    """
    size = len(correlation)
    if size == 1:
        return np.ones(1)
    _, vectors, _, _, info = dsyevr(correlation, range="I", il=size, iu=size)  # eigh spends half its time in checks
    if info:
        raise np.linalg.LinAlgError(f"dsyevr found no leading eigenvector of a {size} x {size} block (info {info})")
    vector = vectors[:, 0]
    vector = vector * (1.0 if vector[np.abs(vector).argmax()] >= 0 else -1.0)
    return np.where(vector < -1e-12, -1.0, 1.0)


def centroid_weights(correlation: Floats, groups: Sequence[NDArray[np.int64]]) -> Floats:
    """Signed membership [C, D]: g_c is weights[c] . x / |c|; the length does not matter to a cosine."""
    weights = np.zeros((len(groups), len(correlation)))
    for c, members in enumerate(groups):
        weights[c, members] = loading_signs(correlation[np.ix_(members, members)])
    return weights


def cosines(products: Floats) -> Floats:
    """|cos| [C, C] with zero diagonal from inner products [C, C] of the centroids."""
    length = np.sqrt(np.maximum(np.diag(products), 1e-300))
    absolute: Floats = np.abs(products) / np.outer(length, length)
    np.fill_diagonal(absolute, 0.0)
    return absolute


def centroid_cosines(correlation: Floats, weights: Floats) -> Floats:
    """|cos| [C, C] of the centroids over the rows that ``correlation`` [D, D] was computed from."""
    return cosines(weights @ correlation @ weights.T)


def max_centroid_cosine(correlation: Floats, groups: Sequence[NDArray[np.int64]]) -> float | None:
    """The largest |cos| between two categories' centroids on training rows; None with fewer than two categories."""
    if len(groups) < 2:
        return None
    return float(centroid_cosines(correlation, centroid_weights(correlation, groups)).max())


def held_out_centroid_cosine(rows: Floats, weights: Floats, rng: np.random.Generator) -> BootstrapInterval | None:
    """The same maximum on other rows [n, D], with the training signs, and its bootstrap interval over rows.

    A maximum over many pairs carries sampling noise of about 1 / sqrt(n) and lies above the training value.
    """
    if len(weights) < 2:
        return None
    centroids = rows @ weights.T
    draws = rng.integers(len(rows), size=(BOOTSTRAP_DRAWS, len(rows)))
    sample = [float(cosines(centroids[chosen].T @ centroids[chosen]).max()) for chosen in draws]
    value = float(cosines(centroids.T @ centroids).max())
    return BootstrapInterval(value, float(np.quantile(sample, 0.05)), float(np.quantile(sample, 0.95)))
