"""k-means for all categories at once: minimize sum_i min_k |x_i - e_k|^2 in each of C independent point sets.

Seeding is greedy k-means++ (Arthur and Vassilvitskii, 2007), refinement Lloyd's algorithm (1982). The point sets share
one batched product, because thirty small calls spend their time in launching; scikit-learn's ``KMeans`` is the
independent implementation that the tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot

SEEDING_ROWS = 8192
"""Rows that the seeding looks at; Lloyd's iterations see all of them."""

SHARES = 2.0**40
"""Whole numbers that the distances of a point set are measured in where rows are drawn in proportion to them."""

SEEDING_TRIALS = 4
"""Candidates per new center, of which the one that lowers the potential most is taken."""


@dataclass(frozen=True)
class KMeansResult:
    """Codes [C, K, d] (rows beyond a category's own K are zero), assignment [C, n], counts [C, K]."""

    codes: Tensor
    assignment: Tensor
    counts: Tensor


def kmeans(points: Tensor, num_codes: Tensor, *, generator: torch.Generator, iterations: int = 25) -> KMeansResult:
    """Codes of C point sets [C, n, d] with num_codes [C] codes each; ``generator`` lives on the CPU."""
    mask = code_mask(num_codes)
    codes = _seed(points, mask, generator)
    assignment = nearest(points, codes, code_penalty(codes, mask))
    for _ in range(iterations):
        one_hot = to_one_hot(assignment, codes.shape[1])
        counts = one_hot.sum(1)
        means = torch.bmm(one_hot.transpose(1, 2), points) / counts.clamp(min=1)[..., None]
        codes = torch.where((counts > 0)[..., None], means, codes)
        moved = nearest(points, codes, code_penalty(codes, mask))
        if torch.equal(moved, assignment):
            break
        assignment = moved
    return KMeansResult(codes, assignment, to_one_hot(assignment, codes.shape[1]).sum(1))


def _seed(points: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
    """Greedy k-means++: each new center is the best of a few rows drawn in proportion to their squared distance."""
    categories, rows, _ = points.shape
    if rows > SEEDING_ROWS:
        chosen = torch.randperm(rows, generator=generator)[:SEEDING_ROWS].sort().values
        points = points[:, chosen.to(points.device)]
        rows = SEEDING_ROWS
    across = points.transpose(1, 2).contiguous()  # rows last: what is summed and picked out is contiguous
    norms = across.square().sum(1, keepdim=True)
    every = torch.arange(categories, device=points.device)
    first = torch.randint(rows, (categories,), generator=generator).to(points.device)
    codes = points.new_zeros(*mask.shape, points.shape[-1])
    codes[:, 0] = points[every, first]
    distance = _distance_to(across, norms, codes[:, :1])
    for k in range(1, mask.shape[1]):
        draws = torch.rand(categories, SEEDING_TRIALS, generator=generator).to(points.device)
        cumulative = _whole(distance[:, 0]).cumsum(-1)
        drawn = (draws.double() * cumulative[:, -1:]).long()
        candidates = torch.searchsorted(cumulative, drawn, right=True).clamp(max=rows - 1)
        centers = points[every[:, None], candidates]
        after = torch.minimum(distance, _distance_to(across, norms, centers))
        best = after.sum(-1).argmin(-1)
        codes[:, k] = centers[every, best]
        distance = after[every, best][:, None]
    return codes * mask[..., None]


def _whole(distance: Tensor) -> Tensor:
    """Distances [C, n] in whole shares of their sum, at least one: integers add up in any order."""
    return (distance * (SHARES / distance.sum(-1, keepdim=True).clamp(min=1e-12))).long().clamp(min=1)


def _distance_to(across: Tensor, norms: Tensor, centers: Tensor) -> Tensor:
    """|x_i - c_t|^2 [C, t, n] of points [C, d, n] by one batched product, clamped at 0 against cancellation."""
    return torch.baddbmm(norms, centers, across, alpha=-2.0).add_(centers.square().sum(-1)[..., None]).clamp_(min=0)
