"""Topographic loss: 1 - Pearson r between the pairwise distances of rows and those of their quantized latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TOPO_BLOCK = 128
"""Maximum number of rows of a block. Only pairs within a block are used, which takes less time than all pairs."""

EPSILON = 1e-8
"""Constant that is added under square roots, so that their gradients are finite."""


def topographic_loss(rows: Tensor, latents: Tensor) -> Tensor:
    """Return 1 - Pearson r between the pairwise distances of rows and of their latents, within blocks of rows.

    Parameters
    ----------
    rows
        Rows [n, D], which get no gradient.
    latents
        Quantized latents [n, E] of the rows.

    Returns
    -------
    Tensor
        Loss, a scalar in [0, 2]; 0 with fewer than 3 rows.
    """
    count = rows.shape[0]
    if count < 3:
        return latents.sum() * 0.0
    block = count // -(-count // TOPO_BLOCK)
    blocks = count // block
    pairs = 1 - torch.eye(block, device=rows.device)  # each pair occurs twice; a row is not paired with itself
    features, quantized = (
        _centered(_PairDistances.apply(first_rows(points, blocks * block).view(blocks, block, -1)), pairs)
        for points in (rows.detach(), latents)
    )
    norm = (features.square().sum() * quantized.square().sum() + EPSILON).sqrt()
    return 1 - (features * quantized).sum() / norm


def first_rows(points: Tensor, count: int) -> Tensor:
    """Return the first ``count`` points. All points are returned without a slice, whose gradient would be a copy."""
    return points if count == len(points) else points[:count]


def _centered(distances: Tensor, pairs: Tensor) -> Tensor:
    """Subtract the mean over ``pairs`` [n, n] from distances [k, n, n], and set all other entries to zero."""
    mean = (distances * pairs).sum() / (len(distances) * pairs.sum())
    return (distances - mean) * pairs


class _PairDistances(torch.autograd.Function):
    """Distances d_ij = sqrt(|x_i - x_j|^2 + eps) [k, n, n] of points [k, n, d], computed by Gram matrices.

    The gradient is (x_i - x_j) / d_ij, or zero if d_ij <= 2 sqrt(eps).
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor) -> Tensor:
        length = points.square().sum(-1)  # inductor cannot view the diagonal of a Gram matrix
        lengths = length[:, :, None] + length[:, None]
        squared = torch.baddbmm(lengths, points, points.transpose(1, 2), alpha=-2)
        distances = squared.clamp(min=0).add(EPSILON).sqrt()
        ctx.save_for_backward(points, distances)
        return distances

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        points, distances = ctx.saved_tensors
        weights = torch.where(distances > 2 * EPSILON**0.5, gradient / distances, 0.0)
        weights = weights + weights.transpose(1, 2)
        return torch.baddbmm(weights.sum(-1, keepdim=True) * points, weights, points, alpha=-1)
