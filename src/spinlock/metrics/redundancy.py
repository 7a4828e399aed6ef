"""Latent redundancy: the mean squared correlation between the latents of different categories.

Letters: ``C`` categories, ``B`` rows, ``E`` components of one category's latent.
"""

from __future__ import annotations

import torch
from torch import Tensor


def latent_redundancy(latents: Tensor) -> Tensor:
    """Return the mean over category pairs c < d of ||Cov(z_c, z_d)||_F^2 / (tr Cov(z_c) tr Cov(z_d)).

    This is the mean squared correlation between components, weighted by their variances, so that components of small
    variance have little weight. The function is differentiable and is also used as a loss.

    Parameters
    ----------
    latents
        Latents [C, B, E].

    Returns
    -------
    Tensor
        A scalar in [0, 1]; 0 with fewer than two categories.
    """
    categories, rows, width = latents.shape
    if categories < 2:
        return latents.new_zeros(())
    centered = latents - latents.mean(1, keepdim=True)
    flat = centered.transpose(0, 1).flatten(1)
    covariance = (flat.t() @ flat) / rows
    blocks = covariance.view(categories, width, categories, width)
    power = blocks.square().sum((1, 3))
    variance = centered.square().sum((1, 2)) / rows  # trace of each diagonal block; inductor cannot view a diagonal
    squared_correlation = power / torch.outer(variance, variance).clamp(min=1e-12)
    upper = torch.ones_like(squared_correlation).triu(1)
    return (squared_correlation * upper).sum() / upper.sum()
