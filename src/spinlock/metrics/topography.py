"""Topographic correlation: Pearson r between pairwise distances in feature space and in latent space.

The correlation is computed over pairs i < j. The zeros on the diagonal of a full distance matrix would raise r (from
0.748 to 0.834 for 64 rows). Further measures are Spearman's rank correlation of the distances, and trustworthiness and
continuity of the neighborhoods (Venna and Kaski, 2001).

Letters: ``n`` rows, ``D`` columns, ``E`` latent dimensions, ``P`` = n (n - 1) / 2 pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

Floats = NDArray[np.float64]

MAX_ROWS = 2000
"""Maximum number of rows for the measures, which use all pairs: two million pairs for this number of rows."""

NEIGHBORS = 15
"""Size of the neighborhoods of trustworthiness and continuity."""


@dataclass(frozen=True)
class Topography:
    """Measures of how well distances and neighborhoods are preserved.

    Attributes
    ----------
    pearson, spearman
        Correlations between the pairwise distances, in [-1, 1].
    trustworthiness, continuity
        Preservation of the neighborhoods; None with at most 2 :data:`NEIGHBORS` rows.
    """

    pearson: float
    spearman: float
    trustworthiness: float | None
    continuity: float | None


def fixed_rows(count: int) -> NDArray[np.int64]:
    """Return the positions of at most :data:`MAX_ROWS` rows.

    The same number of rows always gives the same positions, so that metrics have no sampling noise.

    Parameters
    ----------
    count
        Number of rows.

    Returns
    -------
    numpy.ndarray
        Positions in ascending order.
    """
    if count <= MAX_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:MAX_ROWS])


def pearson(first: Floats, second: Floats) -> float:
    """Return Pearson's r of two vectors; 0 if one is constant or they have fewer than two entries."""
    if len(first) < 2:
        return 0.0
    a, b = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0


def ranks(values: Floats) -> Floats:
    """Return ranks from 1 to n; equal values get their mean rank.

    ``scipy.stats.rankdata`` is not used, because importing ``scipy.stats`` takes a second.
    """
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank: Floats = count.cumsum() - (count - 1) / 2
    return mean_rank[inverse]


def pair_distances(points: NDArray[np.floating[Any]]) -> Floats:
    """Return the Euclidean distances |a - b| over pairs i < j, from one Gram matrix in float64.

    Distances that are equal in exact arithmetic can differ by rounding, which does not matter for Pearson's r.

    Parameters
    ----------
    points
        Points [n, d].

    Returns
    -------
    numpy.ndarray
        Distances [P], in the order of ``scipy.spatial.distance.pdist``.
    """
    exact = points.astype(np.float64)
    square = np.square(exact).sum(1)
    distance = np.sqrt(np.maximum(square[:, None] + square - 2 * exact @ exact.T, 0.0))
    upper: Floats = distance[np.triu_indices(len(points), 1)]
    return upper


def topographic_correlation(features: NDArray[np.floating[Any]], latents: NDArray[np.floating[Any]]) -> float:
    """Return Pearson's r over pairs i < j between distances of features and distances of latents.

    Parameters
    ----------
    features
        Features [n, D].
    latents
        Latents [n, E] of the same rows. The memory is quadratic in n; see :func:`fixed_rows`.

    Returns
    -------
    float
        Correlation in [-1, 1].
    """
    return pearson(pair_distances(features), pair_distances(latents))


def topographic_measures(features: NDArray[np.floating[Any]], latents: NDArray[np.floating[Any]]) -> Topography:
    """Compute Pearson and Spearman correlation of the distances, trustworthiness and continuity.

    The distances are sums of squared differences, so that pairs of rows whose tokens differ in the same way have equal
    distances and equal ranks. Neighbors at equal distances are in the order of the rows.

    Parameters
    ----------
    features
        Features [n, D].
    latents
        Latents [n, E] of the same rows.

    Returns
    -------
    Topography
    """
    original, embedded = pdist(features.astype(np.float64)), pdist(latents.astype(np.float64))
    enough_rows = len(features) > 2 * NEIGHBORS
    original_matrix, embedded_matrix = squareform(original), squareform(embedded)
    return Topography(
        pearson=pearson(original, embedded),
        spearman=pearson(ranks(original), ranks(embedded)),
        trustworthiness=_trustworthiness(original_matrix, embedded_matrix) if enough_rows else None,
        continuity=_trustworthiness(embedded_matrix, original_matrix) if enough_rows else None,
    )


def _trustworthiness(original: Floats, embedded: Floats) -> float:
    """Return the trustworthiness 1 - 2 / (n k (2 n - 3 k - 1)) sum max(0, rank - k), from distances [n, n].

    The sum is over the k nearest neighbors of each row in the embedding; rank is their rank in the original space.
    """
    count = len(original)
    shifted = original - np.eye(count)  # each row has rank 0 in its own list, also if other rows are at distance 0
    ranks = shifted.argsort(1, kind="stable").argsort(1, kind="stable").astype(np.float64)
    others = embedded + np.diag(np.full(count, np.inf))
    nearest = others.argsort(1, kind="stable")[:, :NEIGHBORS]
    excess = np.maximum(np.take_along_axis(ranks, nearest, 1) - NEIGHBORS, 0).sum()
    return float(1 - 2 / (count * NEIGHBORS * (2 * count - 3 * NEIGHBORS - 1)) * excess)
