"""The split into training and validation rows, by operators or groups, and subsamples."""

import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.preprocessing.split import split_rows, subsample


def test_validation_operators_are_the_head_of_the_seeded_permutation() -> None:
    split = split_rows(40, 1, validation_fraction=0.1, seed=42)
    expected = np.random.default_rng(42).permutation(40)[:4]
    assert np.array_equal(split.validation, np.sort(expected))
    assert np.array_equal(np.sort(np.concatenate([split.train, split.validation])), np.arange(40))


def test_all_rows_of_an_operator_are_on_one_side() -> None:
    split = split_rows(20, 6, validation_fraction=0.25, seed=1)
    assert len(split.validation) == 5 * 6
    assert np.array_equal(np.unique(split.validation // 6), split.validation_operators)
    assert np.array_equal(np.unique(split.train // 6), split.train_operators)
    assert not set(split.train_operators) & set(split.validation_operators)


def test_complete_groups_are_assigned_and_reach_the_fraction() -> None:
    groups = np.repeat(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], 10)
    split = split_rows(100, 1, validation_fraction=0.3, seed=3, groups=groups)
    chosen = np.array(sorted(set(groups)))[np.random.default_rng(3).permutation(10)[:3]]
    assert set(groups[split.validation]) == set(chosen)
    assert len(split.validation) == 30


def test_a_group_that_exceeds_the_fraction_is_skipped_for_a_smaller_one() -> None:
    groups = np.array([0] * 90 + [1] * 10)
    for seed in range(5):
        split = split_rows(100, 1, validation_fraction=0.1, seed=seed, groups=groups)
        assert set(groups[split.validation]) == {1}


def test_groups_larger_than_the_fraction_leave_no_side_empty() -> None:
    groups = np.array([0] * 60 + [1] * 40)
    split = split_rows(100, 1, validation_fraction=0.05, seed=0, groups=groups)
    assert set(groups[split.validation]) == {1}
    assert set(groups[split.train]) == {0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_operators": 29, "rows_per_operator": 1}, "the table has 29 rows; expected at least 30"),
        ({"num_operators": 40, "rows_per_operator": 1, "validation_fraction": 0.01}, "no validation rows"),
        ({"num_operators": 40, "rows_per_operator": 1, "validation_fraction": 1.0}, "no training rows"),
        (
            {"num_operators": 3, "rows_per_operator": 50, "validation_fraction": 0.1},
            "set validation_fraction between 0.33",
        ),
        ({"num_operators": 40, "rows_per_operator": 1, "groups": np.zeros(40)}, "at least two groups"),
        (
            {"num_operators": 40, "rows_per_operator": 1, "groups": np.zeros(39)},
            "one label for each of 40 operators",
        ),
    ],
)
def test_an_impossible_split_is_an_error_that_names_the_reason(arguments: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_rows(**({"validation_fraction": 0.1, "seed": 0} | arguments))


def test_subsample_is_a_sorted_seeded_subset_or_all_rows() -> None:
    rows = np.arange(0, 1000, 3)
    assert subsample(rows, 334, 0) is rows
    sample = subsample(rows, 50, 7)
    assert len(sample) == 50
    assert np.array_equal(sample, np.unique(sample))
    assert np.isin(sample, rows).all()
    assert np.array_equal(sample, subsample(rows, 50, 7))
    assert not np.array_equal(sample, subsample(rows, 50, 8))
