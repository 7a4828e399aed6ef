"""Gaussian mixtures with full covariance matrices, one for each row, and their exact marginals.

Letters: ``B`` rows, ``K`` components, ``d`` parameters, ``S`` samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BISECTIONS = 30
"""Number of halvings of an interval of width 20, so that the error of a quantile is below 2e-8."""

LIMIT = 10.0
"""Quantiles are searched in [-10, 10]; the standard normal distribution function is 0 or 1 to 23 digits outside."""


@dataclass(frozen=True)
class GaussianMixture:
    """p(z) = sum_k w_k N(z; m_k, L_k L_k').

    Attributes
    ----------
    log_weights
        log w [B, K], normalized.
    means
        m [B, K, d].
    factors
        Lower triangular L [B, K, d, d].
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor

    @classmethod
    def standard(cls, rows: int, size: int, device: torch.device | None = None) -> GaussianMixture:
        """Return the prior N(0, I) of ``size`` parameters for each row."""
        identity = torch.eye(size, device=device).expand(rows, 1, size, size)
        return cls(torch.zeros(rows, 1, device=device), torch.zeros(rows, 1, size, device=device), identity)

    @classmethod
    def pooled(cls, mixtures: Sequence[GaussianMixture]) -> GaussianMixture:
        """Return the mixture of several mixtures with equal weights."""
        log_weights = torch.cat([mixture.log_weights for mixture in mixtures], dim=1) - math.log(len(mixtures))
        means = torch.cat([mixture.means for mixture in mixtures], dim=1)
        return cls(log_weights, means, torch.cat([mixture.factors for mixture in mixtures], dim=1))

    def __getitem__(self, rows: Tensor | slice) -> GaussianMixture:
        return GaussianMixture(self.log_weights[rows], self.means[rows], self.factors[rows])

    def double(self) -> GaussianMixture:
        """Return the mixture in double precision, with weights that are normalized in this precision."""
        log_weights = torch.log_softmax(self.log_weights.double(), dim=1)
        return GaussianMixture(log_weights, self.means.double(), self.factors.double())

    @property
    def deviations(self) -> Tensor:
        """Standard deviations [B, K, d] of the components along each axis."""
        deviations: Tensor = self.factors.square().sum(-1).sqrt()
        return deviations

    def component_log_prob(self, points: Tensor, present: Tensor | None = None) -> Tensor:
        """Return log N(z; m_k, L_k L_k') of points [B, d], [B, K].

        Parameters
        ----------
        points
            z [B, d]; absent coordinates have any finite value.
        present
            Which coordinates exist, [B, d]; None if all exist. The others are integrated out.
        """
        offsets, factors = points.unsqueeze(1) - self.means, self.factors
        count: Tensor | float = float(points.shape[-1])
        if present is not None and not bool(present.all()):
            mask = present.to(points.dtype).unsqueeze(1)
            covariances = factors @ factors.mT * (mask.unsqueeze(-1) * mask.unsqueeze(-2))
            factors = torch.linalg.cholesky(covariances + torch.diag_embed(1 - mask))
            offsets, count = offsets * mask, mask.sum(-1)
        whitened = torch.linalg.solve_triangular(factors, offsets.unsqueeze(-1), upper=False).squeeze(-1)
        log_determinants = factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        exponents: Tensor = -0.5 * (whitened.square().sum(-1) + count * math.log(2 * math.pi))
        return exponents - log_determinants

    def log_prob(self, points: Tensor, present: Tensor | None = None) -> Tensor:
        """Return log p(z) [B] of points [B, d]; see :meth:`component_log_prob`."""
        return torch.logsumexp(self.log_weights + self.component_log_prob(points, present), dim=-1)

    def marginal_cdf(self, points: Tensor) -> Tensor:
        """Return P(Z_j <= z_j) [B, d] of points [B, d]."""
        scores = (points.unsqueeze(1) - self.means) / self.deviations
        probability: Tensor = (self.log_weights.exp().unsqueeze(-1) * torch.special.ndtr(scores)).sum(1)
        return probability

    def marginal_quantile(self, levels: Sequence[float]) -> Tensor:
        """Return the quantiles z [B, d, L] of L probabilities; -:data:`LIMIT` for 0 and :data:`LIMIT` for 1."""
        wanted = torch.tensor(levels, dtype=self.means.dtype)
        weights, deviations = self.log_weights.exp()[:, :, None, None], self.deviations.unsqueeze(-1)
        means = self.means.unsqueeze(-1)
        shape = (len(self.means), self.means.shape[-1], len(levels))
        low, high = torch.full(shape, -LIMIT).to(self.means), torch.full(shape, LIMIT).to(self.means)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            probability = (weights * torch.special.ndtr((middle.unsqueeze(1) - means) / deviations)).sum(1)
            below = probability < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        middle = (low + high) / 2
        return torch.where(wanted <= 0, -LIMIT, torch.where(wanted >= 1, LIMIT, middle))

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` points of each row, [B, S, d]."""
        component = torch.multinomial(self.log_weights.exp(), count, replacement=True, generator=generator)
        rows = torch.arange(len(component)).unsqueeze(1)
        shape = (*component.shape, self.means.shape[-1])
        noise = torch.randn(shape, generator=generator, dtype=self.means.dtype)
        return self.means[rows, component] + (self.factors[rows, component] @ noise.unsqueeze(-1)).squeeze(-1)
