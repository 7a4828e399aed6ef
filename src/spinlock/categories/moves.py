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

from spinlock.categories.centroids import Centroids
from spinlock.categories.move_gains import MoveGains
from spinlock.categories.partition import Floats, Labels

MAX_EXACT_MOVES = 100
"""Maximum number of moves, in descending order of the estimated gain, whose exact penalty is computed for one step."""

MIN_GAIN = 1e-9
"""Minimum decrease of the exact penalty by a move; smaller decreases are rounding errors."""

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


def decorrelate(
    correlation: Floats,
    labels: Labels,
    *,
    limit: float,
    min_features: int,
    max_moves: int,
    num_fixed: int = 0,
    sizes: Floats | None = None,
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
    sizes
        Number of columns that each entry of ``labels`` stands for; one if None.

    Returns
    -------
    MoveResult
        The partition with the smallest maximum of |cos| among those after each move.
    """
    state = Centroids.from_labels(correlation, labels, num_fixed, sizes)
    best, moves = MoveResult(labels.copy(), 0, state.max_cosine()), 0
    initial_penalty = state.penalty(limit)
    move_gains = MoveGains(limit, min_features)
    while best.cosine > limit and moves < max_moves:
        pace = (1 - moves / max_moves) ** PACE_EXPONENT + PACE_SLACK
        if max_moves >= MIN_MOVES_FOR_EARLY_END and state.penalty(limit) > initial_penalty * pace:
            break
        improved = _improve(state, limit, move_gains)
        if improved is None:
            break
        state, moves = improved, moves + 1
        if state.max_cosine() < best.cosine:
            best = MoveResult(state.labels, moves, state.max_cosine())
    return best


def _improve(state: Centroids, limit: float, move_gains: MoveGains) -> Centroids | None:
    """Return the state after the first promising move that decreases the exact penalty; None if there is none."""
    columns, gains = move_gains(state)
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
