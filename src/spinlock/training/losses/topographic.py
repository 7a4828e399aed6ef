"""The topographic loss: 1 - Pearson r between pairwise distances of rows and of their quantized latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TOPO_BLOCK = 128
"""Maximum rows of a block of the topographic loss. Eight blocks cost an eighth of one matrix of all pairs."""

EPSILON = 1e-8
"""Added under square roots, so that their gradients stay finite."""


def topographic_loss(rows: Tensor, latents: Tensor) -> Tensor:
    """1 - Pearson r between pairwise distances of rows [n, D] and of their latents [n, E], within blocks of rows.

    It is 0 with fewer than 3 rows.
    """
    count = rows.shape[0]
    if count < 3:
        return latents.sum() * 0.0
    block = count // -(-count // TOPO_BLOCK)
    blocks = count // block
    pairs = 1 - torch.eye(block, device=rows.device)  # every pair twice, and no row with itself
    features, quantized = (
        _centered(_pair_distances(first_rows(points, blocks * block).view(blocks, block, -1)), pairs)
        for points in (rows.detach(), latents)
    )
    norm = (features.square().sum() * quantized.square().sum() + EPSILON).sqrt()
    return 1 - (features * quantized).sum() / norm


def first_rows(points: Tensor, count: int) -> Tensor:
    """The first ``count`` points; all of them without a slice, because the gradient of a slice is a copy."""
    return points if count == len(points) else points[:count]


def _centered(distances: Tensor, pairs: Tensor) -> Tensor:
    """Distances [k, n, n] minus their mean over ``pairs`` [n, n], and zero outside these pairs."""
    mean = (distances * pairs).sum() / (len(distances) * pairs.sum())
    return (distances - mean) * pairs


class _PairDistances(torch.autograd.Function):
    """d_ij = |x_i - x_j|; its gradient (x_i - x_j) / d_ij is set to zero where d_ij is below 2 sqrt(eps)."""

    @staticmethod
    def forward(ctx: Any, points: Tensor) -> Tensor:
        length = points.square().sum(-1)  # not the diagonal of a Gram matrix: inductor cannot view it
        lengths = length[:, :, None] + length[:, None]
        squared = torch.baddbmm(lengths, points, points.transpose(1, 2), alpha=-2)
        distances = squared.clamp(min=0).add(EPSILON).sqrt()
        ctx.save_for_backward(points, distances)
        return distances

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        points, distances = ctx.saved_tensors
        pull = torch.where(distances > 2 * EPSILON**0.5, gradient / distances, 0.0)
        pull = pull + pull.transpose(1, 2)
        return torch.baddbmm(pull.sum(-1, keepdim=True) * points, pull, points, alpha=-1)


def _pair_distances(points: Tensor) -> Tensor:
    """sqrt(|a - b|^2 + eps) between points of the same block, [k, n, d] to [k, n, n], by Gram products."""
    distances: Tensor = _PairDistances.apply(points)
    return distances
