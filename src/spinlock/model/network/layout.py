"""Gathering of the columns of a bucket's categories into a padded batch: [B, D] -> [C, B, M].

Letters: ``B`` rows, ``D`` columns, ``C`` categories, ``M`` columns of the widest category, ``E`` embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spinlock.model.spec import Groups


def padded_columns(rows: Tensor) -> Tensor:
    """Return the transpose [D + 1, B] of rows [B, D], with a last column of zeros, which padding reads.

    Gathering contiguous columns is faster than gathering cells of each row.
    """
    return torch.cat([rows.t(), rows.new_zeros(1, len(rows))])


def flatten_categories(buckets: Sequence[Tensor]) -> Tensor:
    """Concatenate latents [C, B, E] of buckets with different C and E to [B, sum of C E], ordered by category."""
    latents = [bucket.transpose(0, 1).flatten(1) for bucket in buckets]
    return torch.cat(latents, dim=1) if len(latents) > 1 else latents[0]


class CategoryLayout(nn.Module):
    """Indices of the columns of the categories of a bucket.

    Entry m of category c is column ``index[c, m]``. In the padding, ``index`` is that of the column of zeros that
    :func:`padded_columns` appends, and ``mask`` [C, M] is 0.

    Parameters
    ----------
    groups
        Columns of each category.
    columns
        Number of columns D of the table.
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
        """Return the columns [C, B, M] of rows [B, D], zero in the padding."""
        return self.gather_columns(padded_columns(rows))

    def gather_columns(self, table: Tensor) -> Tensor:
        """Return the columns [C, B, M] of a table [D + 1, B] from :func:`padded_columns`."""
        return table[self.index].transpose(1, 2)
