"""Neighbor interpolation: points x + u (x' - x) between a row x and one of its five nearest rows x'.

The random number u is uniform in (0, 1). Codes are means of few rows and overfit them: with K codes in each of T
codebooks, overfitting explains about T K / n of the residual variance of the training rows. Points on the lines between
near neighbors resemble held-out rows, so codes that are fitted on them overfit less. (SMOTE augments rare classes in
the same way: Chawla et al., 2002.)

Letters: ``n`` rows, ``D`` columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBORS = 5
"""Number of nearest rows from which x' is drawn."""

TARGET_ROWS = 16_384
"""Maximum number of rows and interpolated points together in :func:`interpolate_neighbors`, which returns a table with
more than half of it as it is. A training step interpolates the rows of a table with at most this number of rows."""

MAX_TARGET_CELLS = 1 << 26
"""Maximum number of cells of these rows and points together, 256 MB. It limits tables of more than 4,096 columns."""

MAX_POINTS_PER_ROW = 6
"""Maximum number of points for each row, including the row itself."""

BLOCK = 1024
"""Number of rows whose distances to all rows are computed at once."""


def interpolate_neighbors(
    rows: Tensor, seed: int, *, target_rows: int = TARGET_ROWS, max_points_per_row: int = MAX_POINTS_PER_ROW
) -> Tensor:
    """Return the rows, and for each of them interpolated points between it and near neighbors.

    Parameters
    ----------
    rows
        Rows x [n, D].
    seed
        Seed of the random numbers.
    target_rows
        Maximum number of rows and interpolated points together.
    max_points_per_row
        Maximum number of points m for each row, including the row itself.

    Returns
    -------
    Tensor
        Points [m, n, D], of which the first ones are ``rows``.
    """
    count = len(rows)
    target_rows = min(target_rows, MAX_TARGET_CELLS // rows.shape[1])
    points = min(max_points_per_row, max(1, target_rows // max(1, count))) if count > NEIGHBORS else 1
    if points == 1:
        return rows[None]
    neighbors = nearest_rows(rows)
    generator = torch.Generator().manual_seed(seed)
    rank = torch.randint(NEIGHBORS, (points - 1, count, 1), generator=generator).to(rows.device)
    fraction = torch.rand(points - 1, count, 1, generator=generator).to(rows.device)
    neighbor = rows[neighbors.expand(points - 1, -1, -1).gather(2, rank)[..., 0]]
    return torch.cat([rows[None], rows + fraction * (neighbor - rows)])


def interpolate(rows: Tensor, neighbors: Tensor, chosen: Tensor, uniform: Tensor) -> Tensor:
    """Return each chosen row with probability 1/6, and otherwise a random point between it and a near neighbor.

    Parameters
    ----------
    rows
        Rows x [n, D].
    neighbors
        Nearest rows [n, 5] of each row, from :func:`nearest_rows`.
    chosen
        Indices [b] of rows.
    uniform
        Uniform random numbers in [0, 1), [2, b]: the first selects the neighbor, the second is u.

    Returns
    -------
    Tensor
        Points [b, D].
    """
    rank = (uniform[0] * (NEIGHBORS + 1)).long()
    neighbor = neighbors[chosen, rank.clamp(max=NEIGHBORS - 1)]
    fraction = torch.where(rank < NEIGHBORS, uniform[1], 0.0)
    x = rows.index_select(0, chosen)
    return torch.addcmul(x, fraction[:, None], rows.index_select(0, neighbor) - x)


def nearest_rows(rows: Tensor) -> Tensor:
    """Return the indices [n, 5] of the nearest other rows of each row [n, D]."""
    squares = rows.square().sum(1)
    positions = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        distance = torch.addmm(squares, block, rows.t(), alpha=-2.0)
        itself = torch.arange(start, start + len(block), device=rows.device)
        distance.scatter_(1, itself[:, None], torch.inf)
        positions.append(distance.topk(NEIGHBORS, dim=1, largest=False).indices)
    return torch.cat(positions)
