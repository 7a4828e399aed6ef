"""Estimated decrease (gain) of the penalty by every move of a column to another category.

With signed sums S_c = sum s_j x_j, a move of column j from c to e changes S_c by -s_j x_j and S_e by t x_j, where t is
the sign of cov(S_e, x_j). The gain of every move therefore follows from the products S_c . x_j and S_c . S_d.

A move changes two of the C categories. Of the penalties of S_e + t x_j with each other S_d, only those with a changed
category as e or as d are computed again.

Letters: ``D`` columns, ``C`` categories, ``n`` columns that may move.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.categories.centroids import Centroids, excess
from spinlock.categories.partition import Floats

Positions = NDArray[np.int64]

MAX_ELEMENTS = 1 << 15
"""Maximum number of elements of a temporary array, so that it fits the cache."""


MAX_STORED_ELEMENTS = 1 << 23
"""Maximum number of penalties D C^2 that are stored between moves. With more, all are computed for each move."""


class MoveGains:
    """Gains of all moves in one search.

    Parameters
    ----------
    limit
        Upper limit of |cos|, above which a pair of categories has a penalty.
    min_features
        Minimum number of columns of a category.
    """

    def __init__(self, limit: float, min_features: int) -> None:
        self.limit = limit
        self.min_features = min_features
        self._state: Centroids | None = None
        self._stored: Floats = np.empty((0, 0, 0))

    def __call__(self, state: Centroids) -> tuple[Positions, Floats]:
        """Return the columns [n] that may move, and the estimated gain [n, C] of a move to each category.

        Only columns of categories with a cosine above the limit may move. The gain of a forbidden move is -inf.
        """
        penalty = excess(state.cosines(), self.limit)
        sizes = np.bincount(state.labels, state.sizes, minlength=len(state.weights))
        in_conflict = (penalty.sum(1) > 0)[state.labels]
        large = sizes[state.labels] - state.sizes >= self.min_features
        columns = np.flatnonzero(in_conflict & large & (state.labels >= state.num_fixed))
        return columns, _gains(state, columns, self._target_penalty(state, columns), penalty, self.limit)

    def _target_penalty(self, state: Centroids, columns: Positions) -> Floats:
        """Return the sums [n, C] over d of the penalties of each category with each of the ``columns`` [n].

        Many gains are equal, and the first of them is tried first. The terms are therefore summed anew, because
        rounding errors of a running sum would order equal gains at random.
        """
        categories, every = len(state.weights), np.arange(len(state.weights))
        if len(state.labels) * categories**2 > MAX_STORED_ELEMENTS:
            sums = np.empty((columns.size, categories))
            for block in _blocks(columns.size, categories**2):
                terms = target_penalties(state, columns[block], every, every, self.limit)
                sums[block] = np.ascontiguousarray(terms.transpose(2, 0, 1)).sum(2)
            return sums
        if self._state is None:
            self._stored = np.empty((len(state.labels), categories, categories))
            changed = every
        else:
            changed = np.flatnonzero((self._state.weights != state.weights).any(1))
        self._state = state
        for block in _blocks(len(state.labels), max(1, changed.size * categories)):
            positions = np.arange(len(state.labels))[block]
            stored = self._stored[block]
            stored[:, changed] = target_penalties(state, positions, changed, every, self.limit).transpose(2, 0, 1)
            others = target_penalties(state, positions, every, changed, self.limit)
            stored[:, :, changed] = others.transpose(2, 0, 1)
        return np.asarray(self._stored[columns].sum(2))


def _blocks(count: int, elements: int) -> list[slice]:
    """Return slices of ``count`` columns for temporary arrays of ``elements`` numbers for each column."""
    size = max(1, MAX_ELEMENTS // elements)
    return [slice(start, start + size) for start in range(0, count, size)]


def target_penalties(
    state: Centroids, columns: Positions, targets: Positions, others: Positions, limit: float
) -> Floats:
    """Return the penalty of the pair of category d and category e with column j, for each e, d and j.

    Parameters
    ----------
    state
        The categories.
    columns, targets, others
        Columns j [n], categories e [E] and categories d [F].
    limit
        Upper limit of |cos|.

    Returns
    -------
    numpy.ndarray
        Penalties [E, F, n]; 0 if d is e or the category of the column.
    """
    squared_norm, covariance = np.diag(state.products), state.column_covariance[:, columns]
    own = covariance[targets]
    sign = np.where(own < 0, -1.0, 1.0)
    norm = np.maximum(squared_norm[targets, None] + 2 * sign * own + state.squares[columns], 1e-12)
    cosine = sign[:, None] * covariance[others]
    cosine += state.products[np.ix_(targets, others)][..., None]
    np.abs(cosine, out=cosine)
    cosine /= np.sqrt(norm[:, None] * squared_norm[others, None])
    np.copyto(cosine, 0.0, where=others[:, None] == state.labels[columns])
    np.copyto(cosine, 0.0, where=(targets[:, None] == others)[..., None])
    cosine -= limit
    np.maximum(cosine, 0.0, out=cosine)
    return np.square(cosine, out=cosine)


def _gains(state: Centroids, columns: Positions, target_penalty: Floats, penalty: Floats, limit: float) -> Floats:
    """Return the gains [n, C] of the moves of ``columns`` [n].

    ``target_penalty`` [n, C] is the sum of the penalties of a category with the column and all others except that of
    the column, and ``penalty`` [C, C] that of all pairs before the move.
    """
    weights, products, squared_norm = state.weights, state.products, np.diag(state.products)
    rows, source = np.arange(columns.size), state.labels[columns]
    sign, covariance = weights[source, columns], state.column_covariance[:, columns].T
    square = state.squares[columns]
    # Inner products of the source category without the column, and of each target category with the column.
    source_norm = squared_norm[source] - 2 * sign * covariance[rows, source] + square
    source_products = products[source] - sign[:, None] * covariance
    target_sign = np.where(covariance < 0, -1.0, 1.0)
    target_norm = squared_norm + 2 * target_sign * covariance + square[:, None]
    between = source_products + target_sign * (covariance[rows, source] - sign * square)[:, None]
    source_cosine = np.abs(source_products) / np.sqrt(np.maximum(source_norm, 1e-12)[:, None] * squared_norm)
    source_cosine[rows, source] = 0.0
    pair_cosine = np.abs(between) / np.sqrt(np.maximum(source_norm[:, None] * target_norm, 1e-12))
    # Penalties of all pairs with the source or the target category, after and before the move.
    source_penalty = excess(source_cosine, limit)
    others_penalty = source_penalty.sum(1, keepdims=True) - source_penalty
    new_penalty = others_penalty + target_penalty + excess(pair_cosine, limit)
    old_penalty = penalty[source].sum(1)[:, None] + penalty.sum(1) - penalty[source]
    gains: Floats = old_penalty - new_penalty
    gains[rows, source] = -np.inf
    gains[:, : state.num_fixed] = -np.inf
    return gains
