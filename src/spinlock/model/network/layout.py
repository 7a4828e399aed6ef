"""Rows of a table as a padded batch of categories: [B, D] -> [C, B, M], one batch for each bucket of categories."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spinlock.model.spec import Groups


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
