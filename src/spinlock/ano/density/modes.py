"""Modes of Gaussian mixtures.

The fixed-point iteration z <- (sum_k r_k P_k)^-1 sum_k r_k P_k m_k, with responsibilities r and precisions P, increases
the density in each step (Carreira-Perpinan 2000). It starts at the means of the heaviest components. A mode depends on
the coordinate; these are modes of the density of z, not of the density of the physical parameter.

Letters: ``B`` rows, ``K`` components, ``A`` starting points, ``d`` parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.ano.density.mixture import GaussianMixture

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
    components = _Components.of(mixture)
    pulls = (components.precisions @ mixture.means.unsqueeze(-1)).squeeze(-1)
    starts = mixture.log_weights.topk(min(MAX_STARTS, mixture.log_weights.shape[1]), dim=1).indices
    points = mixture.means.gather(1, starts.unsqueeze(-1).expand(-1, -1, mixture.means.shape[-1]))
    for _ in range(ITERATIONS):
        shares = torch.softmax(components.log_scales.unsqueeze(1) + components.exponents(points), dim=-1)
        precision = torch.einsum("bak,bkij->baij", shares, components.precisions)
        pull = torch.einsum("bak,bki->bai", shares, pulls)
        moved = torch.cholesky_solve(pull.unsqueeze(-1), torch.linalg.cholesky(precision)).squeeze(-1)
        step = (moved - points).abs().max()
        points = moved
        if step < CONVERGED:
            break
    return _merged(mixture, components, points)


@dataclass(frozen=True)
class _Components:
    """Means m [B, K, d], precisions P [B, K, d, d], and log(w sqrt(det P)) [B, K] of the components."""

    means: Tensor
    precisions: Tensor
    log_scales: Tensor

    @classmethod
    def of(cls, mixture: GaussianMixture) -> _Components:
        log_determinants = mixture.factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        precisions = torch.cholesky_inverse(mixture.factors)
        return cls(mixture.means, precisions, mixture.log_weights - log_determinants)

    def exponents(self, points: Tensor) -> Tensor:
        """Return -(z - m)' P (z - m) / 2 [B, A, K] of points [B, A, d]."""
        offsets = points.unsqueeze(2) - self.means.unsqueeze(1)
        return -0.5 * torch.einsum("baki,bkij,bakj->bak", offsets, self.precisions, offsets)


def _merged(mixture: GaussianMixture, components: _Components, points: Tensor) -> Modes:
    """Merge equal end points, and add up the weights of the components that belong to each mode.

    A component belongs to the mode at which its own density is largest.
    """
    distances = torch.cdist(points, points)
    first = (distances < SAME_MODE).int().argmax(dim=2)  # the first start that reached the same mode
    owner = first.gather(1, components.exponents(points).argmax(dim=1))  # the nearest mode of each component, [B, K]
    probability = torch.zeros(points.shape[:2], dtype=points.dtype)
    probability.scatter_add_(1, owner, mixture.log_weights.exp())
    order = probability.argsort(dim=1, descending=True, stable=True)
    return Modes(points.gather(1, order.unsqueeze(-1).expand_as(points)), probability.gather(1, order))
