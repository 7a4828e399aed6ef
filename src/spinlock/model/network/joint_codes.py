"""Joint codes: x^ = y + W2 gelu(y W1 + b1) with y = sum over (c, l) of T[c, l][k(c, l)], codes with vectors T in R^D.

The tokens of a row are chosen together: one category after the other takes the codes whose sum comes nearest to what
the others leave, by beam search over its levels, for a few sweeps (iterated conditional modes; additive quantization:
Babenko and Lempitsky, 2014; Martinez et al., 2016). A sweep never raises |x - y|^2. A token then also answers for what
the other categories could not say: quality is higher, locality is lost. The refinement (W1, W2) is learned by gradient,
on tokens that no longer change.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.encoder import uniform_weights
from spinlock.model.spec import LEVELS, Gelu


class JointCodes(nn.Module):
    """The vectors T [S, D] of all codes, codebook after codebook in token order, and the refinement.

    A prefix of the levels has vectors of its own: those of whole triples presume the finer levels.
    """

    def __init__(
        self,
        num_codes: tuple[tuple[int, int, int], ...],
        columns: int,
        hidden_dim: int,
        generator: torch.Generator,
        gelu: Gelu = "none",
    ) -> None:
        super().__init__()
        self.num_codes = num_codes
        self.gelu = gelu
        self.starts = {}
        for levels in range(1, LEVELS + 1):
            sizes = [size for triple in num_codes for size in triple[:levels]]
            starts = torch.tensor([0, *accumulate(sizes)])
            self.starts[levels] = starts[:-1].view(-1, levels)
            self.register_buffer(f"vectors_{levels}", torch.zeros(int(starts[-1]), columns))
        self.hidden = uniform_weights((columns, hidden_dim), columns, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))
        self.output = nn.Parameter(torch.zeros(hidden_dim, columns))

    def vectors(self, levels: int = LEVELS) -> Tensor:
        """T [S_l, D] of the codes of the first ``levels`` levels, for tokens that end there."""
        return self.get_buffer(f"vectors_{levels}")

    def flat(self, indices: Tensor) -> Tensor:
        """Rows [B, C l] of ``vectors(l)`` of tokens [B, C, l]."""
        return (indices + self.starts[indices.shape[-1]].to(indices.device)).flatten(1)

    def sums(self, indices: Tensor) -> Tensor:
        """y [B, D] of tokens [B, C, l], any prefix of the levels."""
        return F.embedding_bag(self.flat(indices), self.vectors(indices.shape[-1]), mode="sum")

    def refine(self, sums: Tensor) -> Tensor:
        """x^ [B, D] from y [B, D]."""
        hidden = F.gelu(torch.addmm(self.hidden_bias, sums, self.hidden), approximate=self.gelu)
        return torch.addmm(sums, hidden, self.output)

    def books(self) -> list[list[Tensor]]:
        """T[c][l] [K, D]."""
        parts = torch.split(self.vectors(), [size for triple in self.num_codes for size in triple])
        return [list(parts[first : first + LEVELS]) for first in range(0, len(parts), LEVELS)]
