"""Joint assignment: choose all tokens of a row together, by coordinate descent on its reconstruction error.

With the decoder's linear part every code has a vector T in feature space, x^ = b + sum over (c, l) of T[c, l][k(c, l)].
Starting from the local tokens, each (c, l) in turn takes k = argmin |x - b - (sum of the others) - T_k|^2, for a few
sweeps; the error never rises. Only inner products are needed: T T' once, x T' once for each row. A token then also
answers for what the other categories could not say: quality is higher, locality is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SWEEPS = 5


@dataclass(frozen=True)
class JointTables:
    """Feature vectors of all codes, ``vectors`` [S, D] codebook after codebook, and where each codebook starts.

    ``starts`` and ``sizes`` belong to codebooks in token order cat0.L0, cat0.L1, ...; ``gram`` = T T' [S, S].
    """

    vectors: Tensor
    gram: Tensor
    bias: Tensor
    starts: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, codebooks: list[Tensor], bias: Tensor) -> JointTables:
        """Tables from the feature vectors [K, D] of every codebook in token order."""
        sizes = tuple(len(codes) for codes in codebooks)
        starts = tuple(sum(sizes[:index]) for index in range(len(sizes)))
        vectors = torch.cat(codebooks)
        return cls(vectors, vectors @ vectors.t(), bias, starts, sizes)


def refine(tables: JointTables, rows: Tensor, indices: Tensor, sweeps: int = SWEEPS) -> Tensor:
    """Tokens [B, T] of rows [B, D] after coordinate descent from tokens [B, T]; T codebooks in token order."""
    tokens = indices.clone()
    wanted = (rows - tables.bias) @ tables.vectors.t()
    norms = tables.gram.diagonal()
    chosen = torch.stack([tokens[:, t] + start for t, start in enumerate(tables.starts)], dim=1)
    present = tables.gram[chosen].sum(1)
    for _ in range(sweeps):
        before = tokens.clone()
        for t, (start, size) in enumerate(zip(tables.starts, tables.sizes, strict=True)):
            codes = slice(start, start + size)
            current = tables.gram[chosen[:, t]]
            others = present[:, codes] - current[:, codes]
            best = (norms[codes] - 2 * (wanted[:, codes] - others)).argmin(1)
            moved = tables.gram[best + start]
            present = present + moved - current
            tokens[:, t], chosen[:, t] = best, best + start
        if torch.equal(before, tokens):
            break
    return tokens
