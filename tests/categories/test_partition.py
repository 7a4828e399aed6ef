"""Labels and groups of a partition."""

import numpy as np

from spinlock.categories.partition import groups_of, merge_labels, order_by_size

LABELS = np.array([2, 0, 1, 1, 2, 2, 3])


def test_groups_list_the_columns_of_each_label() -> None:
    assert [group.tolist() for group in groups_of(LABELS)] == [[1], [2, 3], [0, 4, 5], [6]]


def test_merge_labels_leaves_no_gap() -> None:
    assert merge_labels(LABELS, 2, 0).tolist() == [0, 0, 1, 1, 0, 0, 2]
    assert merge_labels(LABELS, 1, 3).tolist() == [2, 0, 1, 1, 2, 2, 1]


def test_order_by_size_is_largest_first_and_ties_by_first_column() -> None:
    assert order_by_size(LABELS).tolist() == [0, 2, 1, 1, 0, 0, 3]


def test_order_by_size_keeps_the_numbers_of_fixed_categories() -> None:
    assert order_by_size(LABELS, num_fixed=2).tolist() == [2, 0, 1, 1, 2, 2, 3]
    assert order_by_size(np.array([0, 1, 2, 2]), num_fixed=1).tolist() == [0, 2, 1, 1]
