"""The hold-out of the training rows: a seeded tenth of the units."""

import numpy as np
import pytest

from spinlock.preprocessing.holdout import split_holdout


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (9, 1), (14, 1), (30, 3), (200, 20)])
def test_a_tenth_of_the_rows_and_at_least_one_row_is_held_out(count: int, held_out: int) -> None:
    split = split_holdout(np.arange(count), 0)
    assert len(split.held_out) == held_out
    assert sorted([*split.fit, *split.held_out]) == list(range(count))


def test_positions_are_sorted() -> None:
    split = split_holdout(np.random.default_rng(0).permutation(100), 0)
    assert np.all(np.diff(split.fit) > 0)
    assert np.all(np.diff(split.held_out) > 0)


def test_rows_of_one_unit_stay_on_one_side() -> None:
    units = np.random.default_rng(0).integers(0, 25, 300)
    split = split_holdout(units, 3)
    assert not set(units[split.fit]) & set(units[split.held_out])
    assert len(set(units[split.held_out])) == 2


def test_the_seed_determines_the_holdout() -> None:
    first, again, other = (split_holdout(np.arange(100), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.held_out, again.held_out)
    assert not np.array_equal(first.held_out, other.held_out)
