"""Rows of a table as padded batches of categories: [B, D] -> [C, B, M], one batch for categories of similar width.

Most categories are far narrower than the widest; padding all of them to its width would multiply the work. Categories
are therefore bucketed by width, rounded up to a power of two, and each bucket is one batched product.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spinlock.model.spec import Groups

NARROWEST = 32
"""Categories up to this width share a bucket: below it a launch costs more than the padding."""


def buckets(widths: list[int]) -> list[slice]:
    """Runs of categories of similar width; ``widths`` [C] do not increase.

    >>> buckets([120, 100, 40, 30, 3])
    [slice(0, 2, None), slice(2, 3, None), slice(3, 5, None)]
    """
    assert widths == sorted(widths, reverse=True), "categories are ordered by size"
    classes = [max(NARROWEST, 1 << (width - 1).bit_length()) for width in widths]
    starts = [c for c in range(len(widths)) if c == 0 or classes[c] != classes[c - 1]]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(widths)], strict=True)]


def by_column(rows: Tensor) -> Tensor:
    """Rows [B, D] to [D + 1, B], zeros last: whole columns are gathered faster than cells of each row."""
    return torch.cat([rows.t(), rows.new_zeros(1, len(rows))])


class CategoryLayout(nn.Module):
    """Gathers the columns of some categories into one padded block.

    Position m of category c holds column ``index[c, m]``; padding positions read the zeros that :func:`by_column`
    appends, and ``mask`` [C, M] is 0 there.
    """

    index: Tensor
    mask: Tensor

    def __init__(self, groups: Groups, columns: int) -> None:
        super().__init__()
        self.num_columns = columns
        width = max(len(group) for group in groups)
        index = torch.full((len(groups), width), columns, dtype=torch.int64)
        for c, group in enumerate(groups):
            index[c, : len(group)] = torch.tensor(group, dtype=torch.int64)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("mask", (index < columns).float(), persistent=False)

    def gather(self, rows: Tensor) -> Tensor:
        """[B, D] to [C, B, M], zero in the padding."""
        return self.gather_columns(by_column(rows))

    def gather_columns(self, columns: Tensor) -> Tensor:
        """The same of rows that lie column by column, [D + 1, B]."""
        return columns[self.index].transpose(1, 2)
