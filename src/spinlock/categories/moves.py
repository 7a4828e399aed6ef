"""Move single features between categories until no two centroids correlate above a limit.

The penalty is sum over pairs relu(|cos| - limit)^2. With signed sums S_c = sum s_j x_j, moving column j from c to e
changes S_c by -s_j x_j and S_e by t x_j (t the sign of cov(S_e, x_j)), so what every possible move would gain follows
from S_c . x_j and S_c . S_d alone. That estimate keeps the other signs; a move may turn the first principal component
of a category, and with it many signs. So the most promising moves are computed exactly, and the first that lowers the
exact penalty is made: a descent, which the estimate alone is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.categories.partition import Floats, Labels, groups_of
from spinlock.metrics.centroids import absolute_cosines, centroid_weights, loading_signs

MAX_EXACT_MOVES = 100
"""Moves computed exactly, most promising first, before the search gives up."""

MIN_GAIN = 1e-9

ELEMENTS = 1 << 15
"""Of the largest temporary of the gains: what stays in the cache is soonest done."""

PACE, SLACK, PATIENT = 3, 0.02, 40
"""With a share f of the moves made, the search gives up at more than (1 - f)^PACE + SLACK of the penalty at its start.
On real tables of 279 to 617 columns a descent that got below the limit was never that slow, and most that do not are
given up early. Where fewer than PATIENT moves are allowed they are soon tried, and all are."""


@dataclass(frozen=True)
class Moved:
    """Labels [D] after the moves, how many there were, and the exact largest |cos|, pairs of given ones left out."""

    labels: Labels
    moves: int
    cosine: float


class _Columns:
    """Columns of a correlation matrix [D, D], and the signs that sets of them load with, each set worked out once.

    Half of the moves that are tried put together a set that an earlier one did.
    """

    def __init__(self, correlation: Floats) -> None:
        self.correlation = correlation
        self._known: dict[bytes, Floats] = {}

    def signs(self, members: NDArray[np.int64]) -> Floats:
        """Signs [m] of members [m]."""
        key = members.tobytes()
        if key not in self._known:
            self._known[key] = loading_signs(self.correlation[np.ix_(members, members)])
        return self._known[key]


@dataclass(frozen=True)
class _Centroids:
    """Labels [D], signed sums [C, D], their covariances with every column [C, D] and with each other [C, C].

    The first ``fixed`` categories are given: cosines between two of them, which no move changes, count as zero.
    """

    columns: _Columns
    labels: Labels
    weights: Floats
    with_columns: Floats
    products: Floats
    fixed: int

    @classmethod
    def of(cls, correlation: Floats, labels: Labels, fixed: int = 0) -> _Centroids:
        weights = centroid_weights(correlation, groups_of(labels))
        with_columns = weights @ correlation
        return cls(_Columns(correlation), labels, weights, with_columns, with_columns @ weights.T, fixed)

    def after(self, column: int, target: int) -> _Centroids:
        """The same with one column moved: the signs of both categories concerned are taken afresh."""
        changed = [int(self.labels[column]), target]
        labels, weights, with_columns = self.labels.copy(), self.weights.copy(), self.with_columns.copy()
        labels[column] = target
        for category in changed:
            members = np.flatnonzero(labels == category)
            weights[category] = 0.0
            weights[category, members] = self.columns.signs(members)
            turned = weights[category] - self.weights[category]  # zero but for a few columns
            others = np.flatnonzero(turned)
            with_columns[category] += turned[others] @ self.columns.correlation[others]
        products = self.products.copy()
        products[changed] = with_columns[changed] @ weights.T
        products[:, changed] = products[changed].T
        return _Centroids(self.columns, labels, weights, with_columns, products, self.fixed)

    def cosines(self) -> Floats:
        return open_cosines(absolute_cosines(self.products), self.fixed)

    def largest(self) -> float:
        return float(self.cosines().max())

    def penalty(self, limit: float) -> float:
        return float(_excess(self.cosines(), limit).sum()) / 2


def open_cosines(cosine: Floats, fixed: int) -> Floats:
    """|cos| [C, C] with zeros between two of the first ``fixed`` categories: what the others can still change."""
    cosine = cosine.copy()
    cosine[:fixed, :fixed] = 0.0
    return cosine


def decorrelate(
    correlation: Floats, labels: Labels, *, limit: float, minimum: int, max_moves: int, fixed: int = 0
) -> Moved:
    """Moves until the largest |cos| is at most ``limit``, none of those tried helps, or ``max_moves`` do not get there.

    ``correlation`` [D, D], ``labels`` [D]. Categories keep at least ``minimum`` columns; the first ``fixed`` categories
    neither give nor take, and what they correlate with each other does not count. Of the partitions on the way the one
    of smallest largest |cos| is returned.
    """
    here = _Centroids.of(correlation, labels, fixed)
    best, count, start = Moved(labels.copy(), 0, here.largest()), 0, here.penalty(limit)
    while best.cosine > limit and count < max_moves:
        if max_moves >= PATIENT and here.penalty(limit) > start * ((1 - count / max_moves) ** PACE + SLACK):
            break
        further = _descend(here, limit, minimum)
        if further is None:
            break
        here, count = further, count + 1
        if here.largest() < best.cosine:
            best = Moved(here.labels, count, here.largest())
    return best


def _descend(here: _Centroids, limit: float, minimum: int) -> _Centroids | None:
    """The partition after the first of the promising moves that lowers the exact penalty, None if none does."""
    columns, gains = _gains(here, limit, minimum)
    enough = here.penalty(limit) - MIN_GAIN
    for position in _most_promising(gains).tolist():
        row, target = divmod(position, gains.shape[1])
        if gains[row, target] == -np.inf:
            break
        moved = here.after(int(columns[row]), target)
        if moved.penalty(limit) < enough:
            return moved
    return None


def _most_promising(gains: Floats) -> NDArray[np.int64]:
    """Positions of the TRIES largest gains, largest first, the earlier one where two are equal."""
    losses = -gains.ravel()
    if losses.size > MAX_EXACT_MOVES:
        within = np.flatnonzero(losses <= np.partition(losses, MAX_EXACT_MOVES - 1)[MAX_EXACT_MOVES - 1])
        return within[np.argsort(losses[within], kind="stable")[:MAX_EXACT_MOVES]]
    return np.argsort(losses, kind="stable")


def _gains(here: _Centroids, limit: float, minimum: int) -> tuple[NDArray[np.int64], Floats]:
    """Columns [n] of categories in conflict, and by how much each move [n, C] lowers the penalty, other signs kept.

    -inf where a move is not allowed.
    """
    penalty = _excess(here.cosines(), limit)
    sizes = np.bincount(here.labels, minlength=len(here.weights))
    in_conflict = (penalty.sum(1) > 0)[here.labels]
    columns = np.flatnonzero(in_conflict & (sizes[here.labels] > minimum) & (here.labels >= here.fixed))
    block = max(1, ELEMENTS // len(sizes) ** 2)
    blocks = [columns[first : first + block] for first in range(0, columns.size, block)] or [columns]
    return columns, np.concatenate([_gains_of(here, part, limit, penalty) for part in blocks])


def _gains_of(here: _Centroids, columns: NDArray[np.int64], limit: float, penalty: Floats) -> Floats:
    """The gains [n, C] of some columns [n]; its temporaries are [n, C, C]."""
    labels, weights, with_columns, products = here.labels, here.weights, here.with_columns, here.products
    length, fixed = np.diag(products), here.fixed
    every, source = np.arange(columns.size), labels[columns]
    sign, covariance = weights[source, columns], with_columns[:, columns].T
    source_length = length[source] - 2 * sign * covariance[every, source] + 1
    source_products = products[source] - sign[:, None] * covariance
    taken = np.where(covariance < 0, -1.0, 1.0)
    target_length = length + 2 * taken * covariance + 1
    target_products = products + taken[:, :, None] * covariance[:, None]
    between = source_products + taken * (covariance[every, source] - sign)[:, None]
    source_cosine = np.abs(source_products) / np.sqrt(np.maximum(source_length, 1e-12)[:, None] * length)
    source_cosine[every, source] = 0.0
    target_cosine = np.abs(target_products) / np.sqrt(np.maximum(target_length, 1e-12)[:, :, None] * length)
    target_cosine[every, :, source] = 0.0
    np.einsum("ncc->nc", target_cosine)[:] = 0.0
    pair = np.abs(between) / np.sqrt(np.maximum(source_length[:, None] * target_length, 1e-12))
    apart = _excess(source_cosine, limit)
    after = apart.sum(1, keepdims=True) - apart + _excess(target_cosine, limit).sum(2) + _excess(pair, limit)
    before = penalty[source].sum(1)[:, None] + penalty.sum(1) - penalty[source]
    gains: Floats = before - after
    gains[every, source] = -np.inf
    gains[:, :fixed] = -np.inf
    return gains


def _excess(cosine: Floats, limit: float) -> Floats:
    return np.square(np.maximum(cosine - limit, 0.0))
