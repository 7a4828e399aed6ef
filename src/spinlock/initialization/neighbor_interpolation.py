"""More training rows between those there are: x + u (x' - x), x' one of five rows nearest to x, u uniform in (0, 1).

Codes are means of few rows and remember them: with K codes in each of T codebooks about T K / n of the variance of what
is left is fitted away on training rows and comes back on others. Points on the lines between near neighbors (Chawla et
al., 2002, who made rare classes larger so) lie where held-out rows lie too, and codes fitted on them remember less.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBORS = 5

TARGET_ROWS = 16_384
"""As many rows in all are aimed at; a table that has half of them already is taken as it is."""

MAX_AUGMENTED = 6

BLOCK = 1024


def interpolate_neighbors(rows: Tensor, seed: int, *, enough: int = TARGET_ROWS, most: int = MAX_AUGMENTED) -> Tensor:
    """Versions [m, n, D] of rows [n, D]: the rows themselves, and m - 1 times a point toward a near neighbor."""
    count = len(rows)
    versions = min(most, max(1, enough // max(1, count))) if count > NEIGHBORS else 1
    if versions == 1:
        return rows[None]
    near = nearest_rows(rows)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(NEIGHBORS, (versions - 1, count, 1), generator=generator).to(rows.device)
    share = torch.rand(versions - 1, count, 1, generator=generator).to(rows.device)
    other = rows[near.expand(versions - 1, -1, -1).gather(2, chosen)[..., 0]]
    return torch.cat([rows[None], rows + share * (other - rows)])


def nearest_rows(rows: Tensor) -> Tensor:
    """Positions [n, 5] of the rows nearest to each row [n, D], itself excluded."""
    squares = rows.square().sum(1)
    found = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        distance = torch.addmm(squares, block, rows.t(), alpha=-2.0)
        itself = torch.arange(start, start + len(block), device=rows.device)
        distance.scatter_(1, itself[:, None], torch.inf)
        found.append(distance.topk(NEIGHBORS, dim=1, largest=False).indices)
    return torch.cat(found)
