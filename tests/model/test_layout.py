"""Columns to padded blocks, in buckets of similar width."""

import pytest
import torch

from spinlock.model.layout import CategoryLayout, buckets
from tests.model.specs import COLUMNS, GROUPS, random_rows


def test_each_block_holds_its_own_columns_and_zeros() -> None:
    layout, rows = CategoryLayout(GROUPS, COLUMNS), random_rows()
    blocks = layout.gather(rows)
    assert blocks.shape == (4, 50, 40)
    for c, group in enumerate(GROUPS):
        torch.testing.assert_close(blocks[c, :, : len(group)], rows[:, list(group)], rtol=0, atol=0)
        assert not blocks[c, :, len(group) :].any()
        assert layout.mask[c].tolist() == [1.0] * len(group) + [0.0] * (40 - len(group))


def test_the_index_leads_every_column_back() -> None:
    layout, rows = CategoryLayout(GROUPS, COLUMNS), random_rows()
    back = torch.zeros(50, COLUMNS + 1)
    back[:, layout.index.flatten()] = layout.gather(rows).transpose(0, 1).flatten(1)
    torch.testing.assert_close(back[:, :COLUMNS], rows, rtol=0, atol=0)


def test_some_categories_alone_may_be_gathered() -> None:
    layout, rows = CategoryLayout(GROUPS[1:], COLUMNS), random_rows()
    torch.testing.assert_close(layout.gather(rows), CategoryLayout(GROUPS, COLUMNS).gather(rows)[1:, :, :5])


def test_the_layout_is_rebuilt_from_the_groups_and_not_stored() -> None:
    assert not CategoryLayout(GROUPS, COLUMNS).state_dict()


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ([5], [(0, 1)]),
        ([32, 20, 1], [(0, 3)]),
        ([65, 64, 33, 32], [(0, 1), (1, 3), (3, 4)]),
        ([300, 300, 200, 40, 3], [(0, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_buckets_by_powers_of_two(widths: list[int], expected: list[tuple[int, int]]) -> None:
    assert buckets(widths) == [slice(*bounds) for bounds in expected]


def test_padding_within_a_bucket_is_at_most_half_above_the_narrowest() -> None:
    widths = sorted((1 + 37 * i % 400 for i in range(60)), reverse=True)
    for bucket in buckets(widths):
        members = widths[bucket]
        assert max(members) < 2 * min(members) or max(members) <= 32
