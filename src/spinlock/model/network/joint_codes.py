"""Joint codes: x^ = y + gelu(y W1 + b1) W2 with y = sum over (c, l) of T[c, l][k(c, l)], vectors T over all columns.

The tokens of a row are selected together by a few sweeps over the categories. Each category takes the codes whose sum
is nearest to the residual that remains after the other categories, by beam search over its levels (iterated conditional
modes; additive quantization: Babenko and Lempitsky, 2014; Martinez et al., 2016). A sweep never increases |x - y|^2. A
joint token also corrects the errors of other categories. The quality is therefore higher, but tokens are not local. The
refinement (W1, b1, W2) is trained by gradient descent with fixed tokens.

Letters: ``B`` rows, ``D`` columns, ``C`` categories, ``L`` levels, ``S_l`` codes of all codebooks of l levels.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.encoder import uniform_weights
from spinlock.model.spec import LEVELS


class JointCodes(nn.Module):
    """The vectors of all codes, ordered by codebook in the order of the tokens, and the refinement.

    There is one set of vectors for each number of levels, because vectors that were fitted for all levels are not
    optimal without the finer levels.

    Parameters
    ----------
    num_codes
        Number of codes of each category and level [C][3].
    columns
        Number of columns D.
    hidden_dim
        Number of hidden units of the refinement.
    generator
        Source of the initial weights of the refinement. The vectors start at zero.
    """

    def __init__(
        self,
        num_codes: tuple[tuple[int, int, int], ...],
        columns: int,
        hidden_dim: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_codes = num_codes
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
        """Return the vectors T [S_l, D] for tokens of the first ``levels`` levels."""
        return self.get_buffer(f"vectors_{levels}")

    def vector_indices(self, indices: Tensor) -> Tensor:
        """Return the rows [B, C l] of ``vectors(l)`` that belong to tokens [B, C, l]."""
        return (indices + self.starts[indices.shape[-1]].to(indices.device)).flatten(1)

    def sums(self, indices: Tensor) -> Tensor:
        """Return the sums y [B, D] of the vectors of tokens [B, C, l] of the first l levels."""
        return F.embedding_bag(self.vector_indices(indices), self.vectors(indices.shape[-1]), mode="sum")

    def refine(self, sums: Tensor) -> Tensor:
        """Return the reconstructed rows x^ [B, D] from the sums y [B, D]."""
        hidden = F.gelu(torch.addmm(self.hidden_bias, sums, self.hidden))
        return torch.addmm(sums, hidden, self.output)

    def codebooks(self) -> list[list[Tensor]]:
        """Return the vectors T[c][l] [K, D] of each codebook."""
        codebooks = torch.split(self.vectors(), [size for triple in self.num_codes for size in triple])
        return [list(codebooks[first : first + LEVELS]) for first in range(0, len(codebooks), LEVELS)]
