"""Modes of Gaussian mixtures.

The fixed-point iteration z <- (sum_k r_k P_k)^-1 sum_k r_k P_k m_k, with responsibilities r and precisions P, increases the
density in each step (Carreira-Perpinan 2000). It starts at the means of the heaviest components.

Letters: ``B`` rows, ``K`` components, ``A`` starting points, ``d`` parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.ano.mixture import GaussianMixture

MAX_STARTS = 8
"""Maximum number of components at whose means the iteration starts."""

ITERATIONS = 60
CONVERGED = 1e-4
"""The iteration ends when no point moves by more than this."""

SAME_MODE = 0.1
"""Two end points with a smaller distance are the same mode."""


@dataclass(frozen=True)
class Modes:
    """Modes of each row in the order of their probabilities. Missing modes have probability 0.

    Attributes
    ----------
    points
        z [B, A, d].
    probability
        Probability [B, A] of the region of each mode: the weights of the components that belong to it.
    """

    points: Tensor
    probability: Tensor


def find_modes(mixture: GaussianMixture) -> Modes:
    """Find the modes of mixtures."""
    mixture = mixture.double()
    precisions = torch.cholesky_inverse(mixture.factors)
    pulls = (precisions @ mixture.means.unsqueeze(-1)).squeeze(-1)
    starts = mixture.log_weights.topk(min(MAX_STARTS, mixture.log_weights.shape[1]), dim=1).indices
    points = mixture.means.gather(1, starts.unsqueeze(-1).expand(-1, -1, mixture.means.shape[-1]))
    for _ in range(ITERATIONS):
        shares = _responsibilities(mixture, points)
        precision = torch.einsum("bak,bkij->baij", shares, precisions)
        pull = torch.einsum("bak,bki->bai", shares, pulls)
        moved = torch.linalg.solve(precision, pull)
        step = (moved - points).abs().max()
        points = moved
        if step < CONVERGED:
            break
    return _merged(mixture, points)


def _responsibilities(mixture: GaussianMixture, points: Tensor) -> Tensor:
    """Return the probabilities [B, A, K] of the components at points [B, A, d]."""
    columns = [mixture.log_weights + mixture.component_log_prob(point) for point in points.unbind(1)]
    return torch.softmax(torch.stack(columns, dim=1), dim=-1)


def _merged(mixture: GaussianMixture, points: Tensor) -> Modes:
    """Merge equal end points, and add up the weights of the components that belong to each mode.

    A component belongs to the mode at which its own density is largest.
    """
    distances = torch.cdist(points, points)
    first = (distances < SAME_MODE).int().argmax(dim=2)  # the first start that reached the same mode
    densities = torch.stack([mixture.component_log_prob(point) for point in points.unbind(1)], dim=2)  # [B, K, A]
    owner = first.gather(1, densities.argmax(dim=2))
    probability = torch.zeros(points.shape[:2], dtype=points.dtype)
    probability.scatter_add_(1, owner, mixture.log_weights.exp())
    order = probability.argsort(dim=1, descending=True, stable=True)
    return Modes(points.gather(1, order.unsqueeze(-1).expand_as(points)), probability.gather(1, order))
