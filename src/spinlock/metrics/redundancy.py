"""Latent redundancy: how much the latents of different categories tell about each other.

mean over pairs c < d of ||Cov(z_c, z_d)||_F^2 / (tr Cov(z_c) tr Cov(z_d)): the mean squared correlation of the latents'
components, weighted by their variances, so that components that hardly vary do not count.
"""

from __future__ import annotations

import torch
from torch import Tensor


def latent_redundancy(latents: Tensor) -> Tensor:
    """Mean over category pairs, a scalar, for latents [C, B, E]; 0 with fewer than two categories."""
    categories, rows, width = latents.shape
    if categories < 2:
        return latents.new_zeros(())
    centered = latents - latents.mean(1, keepdim=True)
    flat = centered.transpose(0, 1).flatten(1)
    covariance = (flat.t() @ flat) / rows
    blocks = covariance.view(categories, width, categories, width)
    power = blocks.square().sum((1, 3))
    variance = centered.square().sum((1, 2)) / rows  # the trace; inductor cannot view a diagonal
    share = power / torch.outer(variance, variance).clamp(min=1e-12)
    upper = torch.ones_like(share).triu(1)
    return (share * upper).sum() / upper.sum()
