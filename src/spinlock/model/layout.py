"""Rows of a table as one padded batch of categories, and back: [B, D] <-> [C, B, M]."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CategoryLayout(nn.Module):
    """Gathers each category's columns into one padded block, so that all categories share a batched product.

    Position m of category c holds column ``index[c, m]``; padding positions read a column of zeros that is appended
    behind the table, and ``mask`` [C, M] is 0 there.
    """

    index: Tensor
    mask: Tensor
    inverse: Tensor

    def __init__(self, groups: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        categories, columns = len(groups), sum(len(group) for group in groups)
        width = max(len(group) for group in groups)
        index = torch.full((categories, width), columns, dtype=torch.int64)
        inverse = torch.empty(columns, dtype=torch.int64)
        for c, group in enumerate(groups):
            members = torch.tensor(group, dtype=torch.int64)
            index[c, : len(group)] = members
            inverse[members] = c * width + torch.arange(len(group))
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("mask", (index < columns).float(), persistent=False)
        self.register_buffer("inverse", inverse, persistent=False)

    def gather(self, rows: Tensor) -> Tensor:
        """[B, D] to [C, B, M], zero in the padding."""
        padded = torch.cat([rows, rows.new_zeros(rows.shape[0], 1)], dim=1)
        return padded.t()[self.index.flatten()].unflatten(0, self.index.shape).transpose(1, 2)

    def scatter(self, blocks: Tensor) -> Tensor:
        """[C, B, M] to [B, D], the padding dropped."""
        return blocks.transpose(1, 2).flatten(0, 1)[self.inverse].t()
