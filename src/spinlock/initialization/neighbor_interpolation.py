"""Points between training rows: x + u (x' - x), with x' one of the five rows nearest to x and u uniform in (0, 1).

Codes are means of few rows and overfit them. With K codes in each of T codebooks, about T K / n of the residual
variance is fitted away on training rows and is missing on others. Points on the lines between near neighbors (Chawla
et al., 2002, who enlarge rare classes in this way) are where held-out rows are, and codes that are fitted on them
overfit less.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBORS = 5

TARGET_ROWS = 16_384
"""Number of rows at which interpolation aims. A table that has more than half of them is not interpolated."""

MAX_VERSIONS = 6
"""Maximum number of versions of the rows, the rows themselves included."""

BLOCK = 1024
"""Rows whose distances to all rows are computed at once."""


def interpolate_neighbors(
    rows: Tensor, seed: int, *, target_rows: int = TARGET_ROWS, max_versions: int = MAX_VERSIONS
) -> Tensor:
    """Return the rows and, for each of them, points toward near neighbors.

    Parameters
    ----------
    rows
        Rows x [n, D].
    seed
        Seed of the random numbers.
    target_rows
        Number of rows at which interpolation aims.
    max_versions
        Maximum number of versions m.

    Returns
    -------
    Tensor
        Versions [m, n, D], of which the first is ``rows``.
    """
    count = len(rows)
    versions = min(max_versions, max(1, target_rows // max(1, count))) if count > NEIGHBORS else 1
    if versions == 1:
        return rows[None]
    neighbors = nearest_rows(rows)
    generator = torch.Generator().manual_seed(seed)
    rank = torch.randint(NEIGHBORS, (versions - 1, count, 1), generator=generator).to(rows.device)
    fraction = torch.rand(versions - 1, count, 1, generator=generator).to(rows.device)
    neighbor = rows[neighbors.expand(versions - 1, -1, -1).gather(2, rank)[..., 0]]
    return torch.cat([rows[None], rows + fraction * (neighbor - rows)])


def nearest_rows(rows: Tensor) -> Tensor:
    """Return the positions [n, 5] of the rows nearest to each row [n, D], itself excluded."""
    squares = rows.square().sum(1)
    positions = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        distance = torch.addmm(squares, block, rows.t(), alpha=-2.0)
        itself = torch.arange(start, start + len(block), device=rows.device)
        distance.scatter_(1, itself[:, None], torch.inf)
        positions.append(distance.topk(NEIGHBORS, dim=1, largest=False).indices)
    return torch.cat(positions)
