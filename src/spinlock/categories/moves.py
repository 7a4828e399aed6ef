"""Move single columns between categories until no two centroids have a cosine above a limit.

The penalty is the sum over pairs of categories of relu(|cos| - limit)^2. With signed sums S_c = sum s_j x_j, a move of
column j from c to e changes S_c by -s_j x_j and S_e by t x_j, where t is the sign of cov(S_e, x_j). The decrease of the
penalty (gain) by every possible move therefore follows from the products S_c . x_j and S_c . S_d. This estimate keeps
all other signs, but a move may change the first principal component of a category, and with it many signs. The exact
penalty is therefore computed for the moves with the largest estimated gains, and the first move that decreases it is
accepted.

Letters: ``D`` columns, ``C`` categories, ``n`` columns that may move, ``m`` columns of one category.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.categories.partition import Floats, Labels, groups_of
from spinlock.metrics.centroids import absolute_cosines, centroid_weights, loading_signs

MAX_EXACT_MOVES = 100
"""Maximum number of moves, in descending order of the estimated gain, whose exact penalty is computed for one step."""

MIN_GAIN = 1e-9
"""Minimum decrease of the exact penalty by a move; smaller decreases are rounding errors."""

MAX_ELEMENTS = 1 << 15
"""Maximum number of elements of a temporary array, so that it fits the cache."""

MIN_MOVES_FOR_EARLY_END = 40
"""A search with fewer allowed moves is never ended early, because it takes little time."""

PACE_EXPONENT, PACE_SLACK = 3, 0.02
"""After a fraction f of the allowed moves, a search ends if penalty / initial penalty > (1 - f)^EXPONENT + SLACK. On
real tables of 279 to 617 columns, no search that reached the limit was so slow, and most others ended early."""


@dataclass(frozen=True)
class MoveResult:
    """Labels [D] after the moves, the number of moves, and the largest |cos| over pairs with at most one fixed one."""

    labels: Labels
    moves: int
    cosine: float


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
class _Centroids:
    """State of the search: the signed sums of all categories and their inner products.

    ``weights`` [C, D] define the signed sums of the categories ``labels`` [D]. ``column_covariance`` [C, D] are their
    products with every column, and ``products`` [C, C] with each other. The first ``num_fixed`` categories are fixed.
    """

    signs: _LoadingSigns
    labels: Labels
    weights: Floats
    column_covariance: Floats
    products: Floats
    num_fixed: int

    @classmethod
    def from_labels(cls, correlation: Floats, labels: Labels, num_fixed: int = 0) -> _Centroids:
        weights = centroid_weights(correlation, groups_of(labels))
        covariance = weights @ correlation
        return cls(_LoadingSigns(correlation), labels, weights, covariance, covariance @ weights.T, num_fixed)

    def with_move(self, column: int, target: int) -> _Centroids:
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
        return _Centroids(self.signs, labels, weights, column_covariance, products, self.num_fixed)

    def cosines(self) -> Floats:
        return adjustable_cosines(absolute_cosines(self.products), self.num_fixed)

    def max_cosine(self) -> float:
        return float(self.cosines().max())

    def penalty(self, limit: float) -> float:
        return float(_excess(self.cosines(), limit).sum()) / 2


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


def decorrelate(
    correlation: Floats, labels: Labels, *, limit: float, min_features: int, max_moves: int, num_fixed: int = 0
) -> MoveResult:
    """Move single columns until the largest |cos| of two centroids is at most a limit.

    The search ends earlier after ``max_moves`` moves, if no move that is tried decreases the penalty, or if the penalty
    decreases too slowly.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    labels
        Category of each column [D].
    limit
        Upper limit of the largest |cos|.
    min_features
        Minimum number of columns of a category.
    max_moves
        Maximum number of moves.
    num_fixed
        Number of leading categories that are fixed. Cosines between two of them are ignored.

    Returns
    -------
    MoveResult
        The partition with the smallest maximum of |cos| among those after each move.
    """
    state = _Centroids.from_labels(correlation, labels, num_fixed)
    best, moves = MoveResult(labels.copy(), 0, state.max_cosine()), 0
    initial_penalty = state.penalty(limit)
    while best.cosine > limit and moves < max_moves:
        pace = (1 - moves / max_moves) ** PACE_EXPONENT + PACE_SLACK
        if max_moves >= MIN_MOVES_FOR_EARLY_END and state.penalty(limit) > initial_penalty * pace:
            break
        improved = _improve(state, limit, min_features)
        if improved is None:
            break
        state, moves = improved, moves + 1
        if state.max_cosine() < best.cosine:
            best = MoveResult(state.labels, moves, state.max_cosine())
    return best


def _improve(state: _Centroids, limit: float, min_features: int) -> _Centroids | None:
    """Return the state after the first promising move that decreases the exact penalty; None if there is none."""
    columns, gains = _move_gains(state, limit, min_features)
    max_penalty = state.penalty(limit) - MIN_GAIN
    for position in _most_promising(gains).tolist():
        row, target = divmod(position, gains.shape[1])
        if gains[row, target] == -np.inf:
            break
        moved = state.with_move(int(columns[row]), target)
        if moved.penalty(limit) < max_penalty:
            return moved
    return None


def _most_promising(gains: Floats) -> NDArray[np.int64]:
    """Return the flat indices of the MAX_EXACT_MOVES largest gains in descending order; ties keep their order."""
    losses = -gains.ravel()
    if losses.size > MAX_EXACT_MOVES:
        smallest = np.flatnonzero(losses <= np.partition(losses, MAX_EXACT_MOVES - 1)[MAX_EXACT_MOVES - 1])
        return smallest[np.argsort(losses[smallest], kind="stable")[:MAX_EXACT_MOVES]]
    return np.argsort(losses, kind="stable")


def _move_gains(state: _Centroids, limit: float, min_features: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the columns [n] that may move, and the estimated gain [n, C] of a move to each category.

    Only columns of categories with a cosine above the limit may move. The gain of a forbidden move is -inf.
    """
    penalty = _excess(state.cosines(), limit)
    sizes = np.bincount(state.labels, minlength=len(state.weights))
    in_conflict = (penalty.sum(1) > 0)[state.labels]
    columns = np.flatnonzero(in_conflict & (sizes[state.labels] > min_features) & (state.labels >= state.num_fixed))
    block = max(1, MAX_ELEMENTS // len(sizes) ** 2)
    blocks = [columns[first : first + block] for first in range(0, columns.size, block)] or [columns]
    return columns, np.concatenate([_block_gains(state, members, limit, penalty) for members in blocks])


def _block_gains(state: _Centroids, columns: NDArray[np.int64], limit: float, penalty: Floats) -> Floats:
    """Return the estimated gains [n, C] of the moves of ``columns`` [n]. Temporary arrays have the shape [n, C, C]."""
    weights, products, squared_norm = state.weights, state.products, np.diag(state.products)
    rows, source = np.arange(columns.size), state.labels[columns]
    sign, covariance = weights[source, columns], state.column_covariance[:, columns].T
    # Inner products of the source category without the column, and of each target category with the column.
    source_norm = squared_norm[source] - 2 * sign * covariance[rows, source] + 1
    source_products = products[source] - sign[:, None] * covariance
    target_sign = np.where(covariance < 0, -1.0, 1.0)
    target_norm = squared_norm + 2 * target_sign * covariance + 1
    target_products = products + target_sign[:, :, None] * covariance[:, None]
    between = source_products + target_sign * (covariance[rows, source] - sign)[:, None]
    source_cosine = np.abs(source_products) / np.sqrt(np.maximum(source_norm, 1e-12)[:, None] * squared_norm)
    source_cosine[rows, source] = 0.0
    target_cosine = np.abs(target_products) / np.sqrt(np.maximum(target_norm, 1e-12)[:, :, None] * squared_norm)
    target_cosine[rows, :, source] = 0.0
    np.einsum("ncc->nc", target_cosine)[:] = 0.0
    pair_cosine = np.abs(between) / np.sqrt(np.maximum(source_norm[:, None] * target_norm, 1e-12))
    # Penalties of all pairs with the source or the target category, after and before the move.
    source_penalty = _excess(source_cosine, limit)
    others_penalty = source_penalty.sum(1, keepdims=True) - source_penalty
    new_penalty = others_penalty + _excess(target_cosine, limit).sum(2) + _excess(pair_cosine, limit)
    old_penalty = penalty[source].sum(1)[:, None] + penalty.sum(1) - penalty[source]
    gains: Floats = old_penalty - new_penalty
    gains[rows, source] = -np.inf
    gains[:, : state.num_fixed] = -np.inf
    return gains


def _excess(cosine: Floats, limit: float) -> Floats:
    """Return relu(cosine - limit)^2."""
    return np.square(np.maximum(cosine - limit, 0.0))
