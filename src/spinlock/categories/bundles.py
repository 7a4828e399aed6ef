"""Bundles: groups of similar columns that discovery keeps together in a wide table.

A table of thousands of columns has no correlation matrix in memory, and a search that moves single columns would take
hours. Its columns are therefore first joined into a limited number of bundles by k-means of the lines through
the columns: a column x_j of length 1 belongs to the bundle whose center c has the largest (x_j . c)^2, and the center
is the direction of the signed sum of its columns, b = sum s_j x_j, with the signs s_j of x_j . c. The search for
categories then works on the sums b and their products, as it works on columns and their correlations in other tables.

For tables of many rows the distances are computed in the space of the leading principal components of the rows.

Letters: ``n`` rows, ``D`` columns, ``G`` bundles, ``r`` coordinates of a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.categories.partition import Floats, Labels
from spinlock.metrics.row_centroids import signed_sum

Single = NDArray[np.float32]

MAX_COORDINATES = 256
"""Maximum number of coordinates of a column for the distances of the k-means."""

ITERATIONS = 10
"""Maximum number of iterations of the k-means; later ones change few columns."""

BLOCK_COLUMNS = 4_096
"""Number of columns whose products with all centers are computed at once."""

SEEDING_ROUNDS = 16
"""Number of rounds in which the initial centers are drawn."""

MIN_SEED_WEIGHT = 1e-6
"""Minimum weight of a point that is drawn as an initial center, so that enough points can be drawn."""

POWER_ITERATIONS = 2
"""Number of power iterations for the leading principal components of the rows."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Bundles:
    """Bundles of the columns of a table.

    Attributes
    ----------
    labels
        Bundle of each column [D], 0 to G - 1.
    sizes
        Number of columns of each bundle [G].
    products
        Inner products [G, G] of the signed sums of the bundles.
    """

    labels: Labels
    sizes: Floats
    products: Floats

    @property
    def correlation(self) -> Floats:
        """Cosines [G, G] of the signed sums of the bundles."""
        norm = np.sqrt(np.maximum(np.diag(self.products), 1e-300))
        correlation: Floats = np.clip(self.products / np.outer(norm, norm), -1.0, 1.0)
        np.fill_diagonal(correlation, 1.0)
        return correlation


def bundle_columns(columns: Floats, max_bundles: int, *, seed: int = 0, fixed_labels: Labels | None = None) -> Bundles:
    """Join the columns of a table into bundles.

    Parameters
    ----------
    columns
        Centered columns of length 1, [n, D].
    max_bundles
        Maximum number of bundles of columns that are not fixed.
    seed
        Seed of the initial centers.
    fixed_labels
        Label of each column [D]: 0 to F - 1 for the F fixed categories, and -1 for other columns. Each fixed category
        is one bundle, and these are the first F bundles.

    Returns
    -------
    Bundles
    """
    fixed = np.full(columns.shape[1], -1, dtype=np.int64) if fixed_labels is None else fixed_labels
    num_fixed, free = int(fixed.max()) + 1, np.flatnonzero(fixed < 0)
    labels = fixed.copy()
    rng = np.random.default_rng(seed)
    labels[free] = num_fixed + nearest_lines(coordinates(columns[:, free], rng), max_bundles, rng)
    sums = np.empty((len(columns), int(labels.max()) + 1))
    order = np.argsort(labels, kind="stable")
    for bundle, members in enumerate(np.split(order, np.cumsum(np.bincount(labels))[:-1])):
        sums[:, bundle] = signed_sum(columns[:, members])
    return Bundles(labels, np.bincount(labels).astype(np.float64), sums.T @ sums)


def coordinates(columns: Floats, rng: np.random.Generator) -> Single:
    """Return coordinates [r, D] of columns [n, D] along the leading principal components of the rows, or the columns.

    The components are found by subspace iteration from random columns (Halko, Martinsson and Tropp, 2011). Their number
    is at most :data:`MAX_COORDINATES`.
    """
    single = columns.astype(np.float32)
    if len(columns) <= MAX_COORDINATES:
        return single
    space = single @ rng.standard_normal((columns.shape[1], MAX_COORDINATES), dtype=np.float32)
    for _ in range(POWER_ITERATIONS):
        space = single @ (single.T @ np.linalg.qr(space)[0])
    reduced: Single = np.linalg.qr(space)[0].T @ single
    return reduced


def nearest_lines(points: Single, count: int, rng: np.random.Generator) -> Labels:
    """Cluster the lines through points [r, D] by k-means, and number the clusters that have points without a gap.

    Parameters
    ----------
    points
        Points [r, D].
    count
        Maximum number of clusters.
    rng
        Generator that draws the initial centers from the points.

    Returns
    -------
    numpy.ndarray
        Cluster of each point [D].
    """
    dimension = points.shape[1]
    if dimension <= count:
        return np.arange(dimension, dtype=np.int64)
    centers = points[:, _seeds(points, count, rng)]
    labels = np.full(dimension, -1, dtype=np.int64)
    for _ in range(ITERATIONS):
        centers = centers / np.maximum(np.linalg.norm(centers, axis=0), np.float32(1e-30))
        previous, (labels, signs) = labels, _assign(points, centers)
        if np.array_equal(labels, previous):
            break
        order = np.argsort(labels, kind="stable")
        occupied, starts = np.unique(labels[order], return_index=True)
        centers[:, occupied] = np.add.reduceat((points * signs)[:, order], starts, axis=1)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _seeds(points: Single, count: int, rng: np.random.Generator) -> Labels:
    """Draw ``count`` distinct points as initial centers, in :data:`SEEDING_ROUNDS` rounds.

    The probability of a point is proportional to its squared distance to the line through the nearest center of the
    earlier rounds, so that near-duplicates of a center are hardly drawn (Bahmani et al., 2012).
    """
    lines = points / np.maximum(np.linalg.norm(points, axis=0), np.float32(1e-30))
    nearest = np.zeros(points.shape[1])
    seeds = np.empty(0, dtype=np.int64)
    for drawn in np.diff(np.linspace(0, count, SEEDING_ROUNDS + 1).astype(int)).tolist():
        weights = np.maximum(1 - nearest, MIN_SEED_WEIGHT)
        weights[seeds] = 0.0
        new = rng.choice(points.shape[1], drawn, replace=False, p=weights / weights.sum())
        seeds = np.concatenate([seeds, new])
        for start in range(0, points.shape[1], BLOCK_COLUMNS):
            block = slice(start, start + BLOCK_COLUMNS)
            squares = np.square(lines[:, block].T @ lines[:, new]).max(1, initial=0.0)
            nearest[block] = np.maximum(nearest[block], squares)
    return np.sort(seeds)


def _assign(points: Single, centers: Single) -> tuple[Labels, Single]:
    """Return the center with the largest absolute product for each point, and the sign of this product, both [D]."""
    labels, signs = np.empty(points.shape[1], dtype=np.int64), np.empty(points.shape[1], dtype=np.float32)
    for start in range(0, points.shape[1], BLOCK_COLUMNS):
        block = slice(start, start + BLOCK_COLUMNS)
        products: NDArray[Any] = points[:, block].T @ centers
        labels[block] = np.abs(products).argmax(1)
        signs[block] = np.where(products[np.arange(len(products)), labels[block]] < 0, -1.0, 1.0)
    return labels, signs


def weighted_ward_labels(distance: Floats, sizes: Floats, count: int) -> Labels:
    """Cluster bundles by Ward linkage, in which a bundle counts as often as it has columns.

    Joining clusters a and b of n_a and n_b columns costs n_a n_b / (n_a + n_b) d(a, b)^2, where d is the distance of
    their means. The formula of Lance and Williams (1967) gives the costs after each join.

    Parameters
    ----------
    distance
        Euclidean distances [G, G] of the bundles.
    sizes
        Number of columns of each bundle [G].
    count
        Number of clusters.

    Returns
    -------
    numpy.ndarray
        Cluster of each bundle [G]. The clusters are numbered in the order of their first bundles.
    """
    weight, labels = sizes.copy(), np.arange(len(sizes), dtype=np.int64)
    cost = np.square(distance) * (weight[:, None] * weight) / (weight[:, None] + weight)
    np.fill_diagonal(cost, np.inf)
    for _ in range(len(sizes) - max(1, count)):
        first, second = sorted(int(i) for i in np.unravel_index(cost.argmin(), cost.shape))
        joined = (
            (weight[first] + weight) * cost[first]
            + (weight[second] + weight) * cost[second]
            - weight * cost[first, second]
        ) / (weight[first] + weight[second] + weight)
        joined[[first, second]] = np.inf
        cost[first] = cost[:, first] = joined
        cost[second] = cost[:, second] = np.inf
        weight[first] += weight[second]
        labels[labels == second] = first
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
