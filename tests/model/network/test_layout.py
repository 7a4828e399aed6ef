"""Columns of the categories as padded arrays."""

import torch

from spinlock.model.network.layout import CategoryLayout
from tests.model.specs import COLUMNS, GROUPS, random_rows


def test_each_category_has_its_columns_and_zero_padding() -> None:
    layout, rows = CategoryLayout(GROUPS, COLUMNS), random_rows()
    blocks = layout.gather(rows)
    assert blocks.shape == (4, 50, 40)
    for c, group in enumerate(GROUPS):
        torch.testing.assert_close(blocks[c, :, : len(group)], rows[:, list(group)], rtol=0, atol=0)
        assert not blocks[c, :, len(group) :].any()
        assert layout.mask[c].tolist() == [1.0] * len(group) + [0.0] * (40 - len(group))


def test_the_index_restores_every_column() -> None:
    layout, rows = CategoryLayout(GROUPS, COLUMNS), random_rows()
    restored = torch.zeros(50, COLUMNS + 1)
    restored[:, layout.index.flatten()] = layout.gather(rows).transpose(0, 1).flatten(1)
    torch.testing.assert_close(restored[:, :COLUMNS], rows, rtol=0, atol=0)


def test_a_subset_of_the_categories_can_be_gathered() -> None:
    layout, rows = CategoryLayout(GROUPS[1:], COLUMNS), random_rows()
    torch.testing.assert_close(layout.gather(rows), CategoryLayout(GROUPS, COLUMNS).gather(rows)[1:, :, :5])


def test_the_layout_is_rebuilt_from_the_groups_and_not_stored() -> None:
    assert not CategoryLayout(GROUPS, COLUMNS).state_dict()
