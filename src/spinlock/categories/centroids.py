"""Signed sums of the categories, their inner products, and the products with every column.

The signed sum of category c is S_c = sum s_j x_j. In a wide table a bundle of columns moves as one
(:mod:`spinlock.categories.bundles`). Then x_j is the signed sum of its columns, and the products are those of these
sums.

Letters: ``D`` columns, ``C`` categories, ``m`` columns of one category.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinlock.categories.partition import Floats, Labels, groups_of
from spinlock.metrics.centroids import absolute_cosines, centroid_weights, loading_signs


class _LoadingSigns:
    """Cached loading signs of sets of columns of a correlation matrix [D, D].

    Half of the moves that are tried give a category whose signs were computed before.
    """

    def __init__(self, correlation: Floats) -> None:
        self.correlation = correlation
        self._cache: dict[bytes, Floats] = {}

    def __call__(self, members: NDArray[np.int64]) -> Floats:
        """Return the signs [m] of the columns ``members`` [m]."""
        key = members.tobytes()
        if key not in self._cache:
            self._cache[key] = loading_signs(self.correlation[np.ix_(members, members)])
        return self._cache[key]


@dataclass(frozen=True)
class Centroids:
    """State of the search: the signed sums of all categories and their inner products.

    ``weights`` [C, D] define the signed sums of the categories ``labels`` [D]. ``column_covariance`` [C, D] are their
    products with every column, and ``products`` [C, C] with each other. The first ``num_fixed`` categories are fixed.
    ``sizes`` [D] are the numbers of columns that move as one, and ``squares`` [D] the squared lengths of their sums.
    """

    signs: _LoadingSigns
    labels: Labels
    weights: Floats
    column_covariance: Floats
    products: Floats
    num_fixed: int
    sizes: Floats
    squares: Floats

    @classmethod
    def from_labels(
        cls, correlation: Floats, labels: Labels, num_fixed: int = 0, sizes: Floats | None = None
    ) -> Centroids:
        """Return the state of a partition ``labels`` [D] of the columns of a correlation matrix [D, D]."""
        weights = centroid_weights(correlation, groups_of(labels))
        covariance = weights @ correlation
        return cls(
            signs=_LoadingSigns(correlation),
            labels=labels,
            weights=weights,
            column_covariance=covariance,
            products=covariance @ weights.T,
            num_fixed=num_fixed,
            sizes=np.ones(len(labels)) if sizes is None else sizes,
            squares=np.diag(correlation),
        )

    def with_move(self, column: int, target: int) -> Centroids:
        """Return the state after a move of one column, with new signs in both categories."""
        changed = [int(self.labels[column]), target]
        labels, weights, column_covariance = self.labels.copy(), self.weights.copy(), self.column_covariance.copy()
        labels[column] = target
        for category in changed:
            members = np.flatnonzero(labels == category)
            weights[category] = 0.0
            weights[category, members] = self.signs(members)
            difference = weights[category] - self.weights[category]  # sparse
            nonzero = np.flatnonzero(difference)
            column_covariance[category] += difference[nonzero] @ self.signs.correlation[nonzero]
        products = self.products.copy()
        products[changed] = column_covariance[changed] @ weights.T
        products[:, changed] = products[changed].T
        return replace(self, labels=labels, weights=weights, column_covariance=column_covariance, products=products)

    def cosines(self) -> Floats:
        """Return the absolute cosines [C, C], with zeros on the diagonal and for two fixed categories."""
        return adjustable_cosines(absolute_cosines(self.products), self.num_fixed)

    def max_cosine(self) -> float:
        """Return the largest absolute cosine."""
        return float(self.cosines().max())

    def penalty(self, limit: float) -> float:
        """Return the sum over pairs of categories of relu(|cos| - limit)^2."""
        return float(excess(self.cosines(), limit).sum()) / 2


def adjustable_cosines(cosine: Floats, num_fixed: int) -> Floats:
    """Return the cosines without those between two fixed categories, which no move changes.

    Parameters
    ----------
    cosine
        Absolute cosines [C, C].
    num_fixed
        Number of leading categories that are fixed.

    Returns
    -------
    numpy.ndarray
        The cosines [C, C], with zeros for two fixed categories.
    """
    cosine = cosine.copy()
    cosine[:num_fixed, :num_fixed] = 0.0
    return cosine


def excess(cosine: Floats, limit: float) -> Floats:
    """Return relu(cosine - limit)^2."""
    return np.square(np.maximum(cosine - limit, 0.0))
