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

PRODUCT_ROWS = 128
"""Number of rows of a matrix product. Smaller products are slower, and larger ones are padded with more rows."""


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

        A row is updated until a sweep leaves its tokens unchanged. Its tokens therefore do not depend on the other
        rows. A sweep computes only the rows that the previous sweep changed.

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
        tokens, residual = initial_tokens.clone(), rows - self.codes.sums(initial_tokens)
        margin = torch.full((len(rows),), torch.inf, device=rows.device)
        active = torch.arange(len(rows), device=rows.device)
        for _ in range(sweeps):
            previous = tokens[active]
            tokens[active], residual[active], margins = self._sweep(previous, residual[active], width)
            margin[active] = torch.minimum(margin[active], margins)
            active = active[(previous != tokens[active]).flatten(1).any(1)]
            if not len(active):
                break
        return tokens, margin

    def _sweep(self, tokens: Tensor, residual: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Update the categories of all rows one after the other, and return the tokens, residuals and margins [n].

        Parameters
        ----------
        tokens
            Tokens [n, C, L].
        residual
            Rows minus the sums of the vectors of their tokens, [n, D].
        width
            Width of the beam search.
        """
        tokens = tokens.clone()
        margin = torch.full((len(tokens),), torch.inf, device=tokens.device)
        for c, codebooks in enumerate(self.codebooks):
            current = tokens[:, c]
            target = residual + self._category_sum(c, current)
            unary = torch.split(self._costs(c, target), [len(codebook) for codebook in codebooks], dim=1)
            result = beam_search(unary, self.pairwise[c], width)
            better = result.cost < cost_of_codes(current, unary, self.pairwise[c]) - MIN_GAIN
            margin = torch.minimum(margin, result.margin)
            tokens[:, c] = torch.where(better[:, None], result.codes, current)
            residual = target - self._category_sum(c, tokens[:, c])
        return tokens, residual, margin

    def _costs(self, category: int, targets: Tensor) -> Tensor:
        """Return |v|^2 - 2 t.v for each target t of ``targets`` [n, D] and each vector v of a category, [n, K].

        All matrix products have :data:`PRODUCT_ROWS` rows, so that the rounding of a row does not depend on the number
        of rows.
        """
        norms, vectors = self.norms[category], self.vectors[category]
        parts = torch.split(F.pad(targets, (0, 0, 0, -len(targets) % PRODUCT_ROWS)), PRODUCT_ROWS)
        costs = torch.cat([torch.addmm(norms, part, vectors.t(), alpha=-2.0) for part in parts])
        return costs[: len(targets)]

    def _category_sum(self, category: int, codes: Tensor) -> Tensor:
        """Return the sum [B, D] of the vectors of a category's codes [B, L]."""
        return F.embedding_bag(codes + self.pairwise[category].starts, self.vectors[category], mode="sum")
