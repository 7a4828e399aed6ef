"""Joint assignment of the tokens of a row by iterated conditional modes over the categories."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.model.codec.beam_search import beam_search, cost_of, pairwise
from spinlock.model.network.joint_codes import JointCodes

SWEEPS = 5
"""Rounds over all categories, at most."""

MIN_GAIN = 1e-6
"""Tokens change only for a cost that is lower by more than this: a tie must not move them for ever."""


class JointTables:
    """What the assignment needs of the vectors, worked out once: inner products within each category."""

    def __init__(self, codes: JointCodes) -> None:
        self.codes = codes
        self.books = codes.books()
        self.vectors = [torch.cat(books) for books in self.books]
        self.norms = [vectors.square().sum(1) for vectors in self.vectors]
        self.cross = [pairwise(books) for books in self.books]

    def assign(self, rows: Tensor, start: Tensor, *, width: int, sweeps: int = SWEEPS) -> tuple[Tensor, Tensor]:
        """Tokens [B, C, L] of rows [B, D] from a start [B, C, L], and the closest decision [B] on the way.

        The closest decision is the smallest margin between a chosen triple of codes and its runner-up. A row is done
        after a sweep that does not change it: what the other rows still need must not touch it.
        """
        tokens = start.clone()
        left = rows - self.codes.sums(tokens)
        margin = torch.full((len(rows),), torch.inf, device=rows.device)
        active = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        for _ in range(sweeps):
            before = tokens.clone()
            for c, (books, vectors) in enumerate(zip(self.books, self.vectors, strict=True)):
                now = tokens[:, c]
                wanted = left + self._sum(c, now)
                costs = torch.addmm(self.norms[c], wanted, vectors.t(), alpha=-2.0)
                unary = torch.split(costs, [len(book) for book in books], dim=1)
                found = beam_search(unary, self.cross[c], width)
                better = active & (found.cost < cost_of(now, unary, self.cross[c]) - MIN_GAIN)
                margin = torch.where(active, torch.minimum(margin, found.runner_up), margin)
                tokens[:, c] = torch.where(better[:, None], found.codes, now)
                left = wanted - self._sum(c, tokens[:, c])
            active = active & (before != tokens).flatten(1).any(1)
            if not active.any():
                break
        return tokens, margin

    def _sum(self, category: int, codes: Tensor) -> Tensor:
        """Sum of the vectors [B, D] of a category's codes [B, L]."""
        return F.embedding_bag(codes + self.cross[category].starts, self.vectors[category], mode="sum")
