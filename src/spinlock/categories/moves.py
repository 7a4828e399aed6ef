"""Move single features between categories until no two centroids correlate above a limit.

The penalty is sum over pairs relu(|cos| - limit)^2. With signed sums S_c = sum s_j x_j, moving column j from c to e
changes S_c by -s_j x_j and S_e by t x_j (t the sign of cov(S_e, x_j)), so the effect of every possible move on every
cosine follows from S_c . x_j and S_c . S_d alone; the best move is made, and so on. Every few moves the signs are taken
afresh from the principal components, and the result is judged by the exact definition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.categories.partition import Floats, Labels, groups_of
from spinlock.metrics.orthogonality import centroid_cosines, centroid_weights, cosines

SLACK = 0.25
"""The search gives up when the penalty lies this share above the line from its start to zero at the last move."""


@dataclass(frozen=True)
class Moved:
    """Labels [D] after the moves, how many there were, and the exact largest |cos|."""

    labels: Labels
    moves: int
    cosine: float


@dataclass(frozen=True)
class _Move:
    column: int
    target: int
    sign: float
    gain: float


def decorrelate(
    correlation: Floats,
    labels: Labels,
    *,
    limit: float,
    minimum: int,
    max_moves: int,
    refresh: int = 10,
    fixed: int = 0,
) -> Moved:
    """Greedy moves until the largest |cos| is at most ``limit``, no move helps, or ``max_moves`` were made.

    Categories keep at least ``minimum`` columns; the first ``fixed`` categories neither give nor take.
    """
    labels = labels.copy()
    weights = centroid_weights(correlation, groups_of(labels))
    cosine = centroid_cosines(correlation, weights)
    best, first = Moved(labels.copy(), 0, float(cosine.max())), float(_excess(cosine, limit).sum())
    count = 0
    while best.cosine > limit and count < max_moves:
        move = _best_move(correlation, labels, weights, limit, minimum, fixed)
        if move is not None:
            weights[labels[move.column], move.column] = 0.0
            weights[move.target, move.column] = move.sign
            labels[move.column] = move.target
            cosine = centroid_cosines(correlation, weights)
            count += 1
        if move is None or count % refresh == 0 or count == max_moves or cosine.max() <= limit:
            weights = centroid_weights(correlation, groups_of(labels))
            cosine = centroid_cosines(correlation, weights)
            if cosine.max() < best.cosine:
                best = Moved(labels.copy(), count, float(cosine.max()))
            behind = _excess(cosine, limit).sum() > first * (1 - count / max_moves) + SLACK * first
            if move is None or behind:
                break
    return best


def _best_move(
    correlation: Floats, labels: Labels, weights: Floats, limit: float, minimum: int, fixed: int
) -> _Move | None:
    """The move that lowers the penalty most, or None when every one would raise it."""
    with_columns = weights @ correlation
    products = with_columns @ weights.T
    length = np.diag(products)
    penalty = _excess(cosines(products), limit)
    sizes = np.bincount(labels, minlength=len(weights))
    movable = (penalty.sum(1) > 0)[labels] & (sizes[labels] > minimum) & (labels >= fixed)
    columns = np.flatnonzero(movable)
    if columns.size == 0:
        return None
    every, source = np.arange(columns.size), labels[columns]
    sign, covariance = weights[source, columns], with_columns[:, columns].T
    source_length = length[source] - 2 * sign * covariance[every, source] + 1
    source_products = products[source] - sign[:, None] * covariance
    best = None
    for target in range(fixed, len(weights)):
        taken = np.where(covariance[:, target] < 0, -1.0, 1.0)
        target_length = length[target] + 2 * taken * covariance[:, target] + 1
        target_products = products[target][None] + taken[:, None] * covariance
        between = source_products[:, target] + taken * covariance[every, source] - sign * taken
        source_cosine = np.abs(source_products) / np.sqrt(np.maximum(source_length, 1e-12)[:, None] * length)
        target_cosine = np.abs(target_products) / np.sqrt(np.maximum(target_length, 1e-12)[:, None] * length)
        for cosine in (source_cosine, target_cosine):
            cosine[every, source] = 0.0
            cosine[:, target] = 0.0
        pair = np.abs(between) / np.sqrt(np.maximum(source_length * target_length, 1e-12))
        after = _excess(source_cosine, limit).sum(1) + _excess(target_cosine, limit).sum(1) + _excess(pair, limit)
        before = penalty[source].sum(1) + penalty[target].sum() - penalty[source, target]
        gain = np.where(source == target, -np.inf, before - after)
        chosen = int(gain.argmax())
        if gain[chosen] > max(1e-9, best.gain if best else 0.0):
            best = _Move(int(columns[chosen]), target, float(taken[chosen]), float(gain[chosen]))
    return best


def _excess(cosine: Floats, limit: float) -> Floats:
    return np.square(np.maximum(cosine - limit, 0.0))
