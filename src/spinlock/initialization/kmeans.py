"""Batched k-means: minimize sum_i min_k |x_i - e_k|^2 in each of C independent point sets, one for each category.

Greedy k-means++ seeding (Arthur and Vassilvitskii, 2007) is followed by Lloyd's algorithm (1982). The point sets share
batched products, because separate calls for thirty small sets would spend most of the time on launching kernels. The
tests compare with scikit-learn's ``KMeans``.

Letters: ``C`` point sets, ``n`` points, ``K`` codes, ``d`` dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot

MAX_SEEDING_ROWS = 8192
"""Maximum number of points for the seeding. The iterations use all points."""

INTEGER_SCALE = 2.0**40
"""Sum of the integer sampling weights of a point set. Sums of integers do not depend on the order of summation."""

SEEDING_TRIALS = 4
"""Number of candidates for each new center; the one with the smallest sum of squared distances is selected."""


@dataclass(frozen=True)
class KMeansResult:
    """Codes [C, K, d], zero in the padding, the assignment of the points [C, n], and the counts of the codes [C, K]."""

    codes: Tensor
    assignment: Tensor
    counts: Tensor


def kmeans(points: Tensor, num_codes: Tensor, *, generator: torch.Generator, iterations: int = 25) -> KMeansResult:
    """Cluster C point sets.

    Parameters
    ----------
    points
        Points [C, n, d].
    num_codes
        Number of codes [C] of each set.
    generator
        Random number generator of the seeding, on the CPU.
    iterations
        Maximum number of iterations of Lloyd's algorithm.

    Returns
    -------
    KMeansResult
    """
    mask = code_mask(num_codes)
    codes = _seed_codes(points, mask, generator)
    assignment = nearest(points, codes, code_penalty(codes, mask))
    for _ in range(iterations):
        one_hot = to_one_hot(assignment, codes.shape[1])
        counts = one_hot.sum(1)
        means = torch.bmm(one_hot.transpose(1, 2), points) / counts.clamp(min=1)[..., None]
        codes = torch.where((counts > 0)[..., None], means, codes)
        new_assignment = nearest(points, codes, code_penalty(codes, mask))
        if torch.equal(new_assignment, assignment):
            break
        assignment = new_assignment
    return KMeansResult(codes, assignment, to_one_hot(assignment, codes.shape[1]).sum(1))


def _seed_codes(points: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
    """Select the initial centers by greedy k-means++.

    Candidates for a new center are drawn with probability proportional to the squared distance to the nearest center.
    """
    categories, rows, _ = points.shape
    if rows > MAX_SEEDING_ROWS:
        subset = torch.randperm(rows, generator=generator)[:MAX_SEEDING_ROWS].sort().values
        points = points[:, subset.to(points.device)]
        rows = MAX_SEEDING_ROWS
    transposed = points.transpose(1, 2).contiguous()  # the points are the last dimension, so that sums are contiguous
    norms = transposed.square().sum(1, keepdim=True)
    category = torch.arange(categories, device=points.device)
    first = torch.randint(rows, (categories,), generator=generator).to(points.device)
    codes = points.new_zeros(*mask.shape, points.shape[-1])
    codes[:, 0] = points[category, first]
    distance = _squared_distances(transposed, norms, codes[:, :1])
    for k in range(1, mask.shape[1]):
        uniform = torch.rand(categories, SEEDING_TRIALS, generator=generator).to(points.device)
        cumulative = _integer_weights(distance[:, 0]).cumsum(-1)
        threshold = (uniform.double() * cumulative[:, -1:]).long()
        candidates = torch.searchsorted(cumulative, threshold, right=True).clamp(max=rows - 1)
        centers = points[category[:, None], candidates]
        new_distance = torch.minimum(distance, _squared_distances(transposed, norms, centers))
        best = new_distance.sum(-1).argmin(-1)
        codes[:, k] = centers[category, best]
        distance = new_distance[category, best][:, None]
    return codes * mask[..., None]


def _integer_weights(distance: Tensor) -> Tensor:
    """Scale distances [C, n] to positive integers whose sum is about 2^40 in each set."""
    return (distance * (INTEGER_SCALE / distance.sum(-1, keepdim=True).clamp(min=1e-12))).long().clamp(min=1)


def _squared_distances(transposed: Tensor, norms: Tensor, centers: Tensor) -> Tensor:
    """Return |x_i - c_t|^2 [C, t, n] of points [C, d, n] and centers [C, t, d]; negative rounding errors become 0."""
    return torch.baddbmm(norms, centers, transposed, alpha=-2.0).add_(centers.square().sum(-1)[..., None]).clamp_(min=0)
