"""Distribution functions of the columns of a table: missing cells, offsets, and their storage."""

import numpy as np
import pytest
from scipy.stats import rankdata

from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.ranks import MAX_STEPS, fit_ranks
from tests.tables import Rules


def test_missing_cells_count_as_the_median(rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 3)).astype(np.float32)
    x[:70, 1], x[5, 1] = np.nan, np.inf
    median = np.array([np.median(column[np.isfinite(column)].astype(np.float64)) for column in x.T])
    knots, scores = fit_ranks(x, np.array([1]), median).curves()[0]
    column = np.where(np.isfinite(x[:, 1]), x[:, 1].astype(np.float64), median[1])
    ranks = np.interp(column, knots, scores)
    np.testing.assert_allclose(ranks, (rankdata(column) - 0.5) / 200, atol=1e-14)


def test_values_are_not_clipped(rng: np.random.Generator) -> None:
    x = rng.standard_cauchy((3000, 2))
    cleaner = Cleaner.fit(x, ["a", "b"], Rules())
    assert cleaner.ranks is not None
    for column, (knots, _) in zip(x.T, cleaner.ranks.curves(), strict=True):
        assert knots[[0, -1]].tolist() == [column.min(), column.max()]
        assert len(knots) <= 2 * MAX_STEPS + 1


def test_a_column_with_an_offset_keeps_its_digits(rng: np.random.Generator) -> None:
    x = 1e9 + rng.random((100, 2))
    knots = fit_ranks(x, np.arange(2), np.median(x, axis=0)).curves()[0][0]
    np.testing.assert_array_equal(knots, np.sort(x[:, 0]))


def test_ranks_are_those_of_the_kept_columns_and_survive_the_state(rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, 4)).astype(np.float32)
    x[:, 1] = 3.0
    cleaner = Cleaner.fit(x, list("abcd"), Rules())
    restored = Cleaner.from_state(cleaner.state())
    assert cleaner.ranks is not None
    assert restored.ranks is not None
    assert [curve[0].tolist() for curve in restored.ranks.curves()] == [np.sort(x[:, j]).tolist() for j in (0, 2, 3)]
    earlier = {key: value for key, value in cleaner.state().items() if key != "ranks"}
    assert Cleaner.from_state(earlier).ranks is None


@pytest.mark.parametrize("rows", [1000, 20_000])
def test_the_storage_does_not_grow_with_the_rows(rows: int, rng: np.random.Generator) -> None:
    ranks = fit_ranks(rng.standard_normal((rows, 2)), np.arange(2), np.zeros(2))
    assert ranks.knots.shape[1] <= MAX_STEPS + 2
