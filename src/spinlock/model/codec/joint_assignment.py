"""Joint assignment of the tokens of a row by iterated conditional modes (coordinate descent over categories).

The categories are updated in turn. A category takes the codes whose sum is nearest to the residual of the row after the
codes of all other categories are subtracted (:mod:`spinlock.model.network.joint_codes`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.model.codec.beam_search import beam_search, cost_of_codes, pairwise_costs
from spinlock.model.network.joint_codes import JointCodes

SWEEPS = 5
"""Maximum number of sweeps over all categories."""

MIN_GAIN = 1e-6
"""Minimum decrease of the cost for which tokens change, so that ties do not change them in every sweep."""


class JointTables:
    """Precomputed vectors, squared norms and pairwise costs of the joint codes of each category.

    Parameters
    ----------
    codes
        Joint codes, whose vectors must not change afterward.
    """

    def __init__(self, codes: JointCodes) -> None:
        self.codes = codes
        self.codebooks = codes.codebooks()
        self.vectors = [torch.cat(codebooks) for codebooks in self.codebooks]
        self.norms = [vectors.square().sum(1) for vectors in self.vectors]
        self.pairwise = [pairwise_costs(codebooks) for codebooks in self.codebooks]

    def assign(
        self, rows: Tensor, initial_tokens: Tensor, *, width: int, sweeps: int = SWEEPS
    ) -> tuple[Tensor, Tensor]:
        """Improve the tokens of rows. The squared error |x - y|^2 of a row never increases.

        A row takes part until a sweep does not change it, so that its tokens do not depend on the other rows.

        Parameters
        ----------
        rows
            Rows x [B, D].
        initial_tokens
            Tokens [B, C, L] to start from.
        width
            Width of the beam search within a category.
        sweeps
            Maximum number of sweeps over all categories.

        Returns
        -------
        tuple of Tensor
            Tokens [B, C, L], and the margin [B] between the best and the second best codes of a category, minimized
            over categories and sweeps.
        """
        tokens = initial_tokens.clone()
        residual = rows - self.codes.sums(tokens)
        margin = torch.full((len(rows),), torch.inf, device=rows.device)
        active = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        for _ in range(sweeps):
            previous = tokens.clone()
            for c, (codebooks, vectors) in enumerate(zip(self.codebooks, self.vectors, strict=True)):
                current = tokens[:, c]
                target = residual + self._category_sum(c, current)
                costs = torch.addmm(self.norms[c], target, vectors.t(), alpha=-2.0)
                unary = torch.split(costs, [len(codebook) for codebook in codebooks], dim=1)
                result = beam_search(unary, self.pairwise[c], width)
                better = active & (result.cost < cost_of_codes(current, unary, self.pairwise[c]) - MIN_GAIN)
                margin = torch.where(active, torch.minimum(margin, result.margin), margin)
                tokens[:, c] = torch.where(better[:, None], result.codes, current)
                residual = target - self._category_sum(c, tokens[:, c])
            active = active & (previous != tokens).flatten(1).any(1)
            if not active.any():
                break
        return tokens, margin

    def _category_sum(self, category: int, codes: Tensor) -> Tensor:
        """Return the sum [B, D] of the vectors of a category's codes [B, L]."""
        return F.embedding_bag(codes + self.pairwise[category].starts, self.vectors[category], mode="sum")
