"""Rank quality and distribution functions against SciPy, and cases in which the reconstruction quality misleads."""

import numpy as np
import pytest
from scipy.stats import rankdata

from spinlock.metrics.ranks import distribution_function, rank_quality, rank_squared_sums
from spinlock.metrics.reconstruction import quality_by_column, reconstruction_quality

STEPS = 32


def scipy_ranks(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Mid-ranks among the training values, divided by their number, from scipy.stats.rankdata and numpy.interp."""
    order = np.argsort(train)
    return np.interp(values, train[order], ((rankdata(train) - 0.5) / len(train))[order])


def scipy_quality(rows: np.ndarray, restored: np.ndarray, train: np.ndarray) -> tuple[float, list[float]]:
    ranks, restored_ranks = (
        np.column_stack([scipy_ranks(x[:, j], train[:, j]) for j in range(train.shape[1])]) for x in (rows, restored)
    )
    error, power = ((ranks - restored_ranks) ** 2).sum(0), ((ranks - 0.5) ** 2).sum(0)
    return 1 - error.sum() / power.sum(), (1 - error / power).tolist()


@pytest.fixture
def train(rng: np.random.Generator) -> np.ndarray:
    """Training rows [500, 4]: Gaussian, heavy-tailed, integers with ties, and mostly zero."""
    mostly_zero = np.where(rng.random(500) < 0.6, 0.0, rng.standard_normal(500))
    columns = [rng.standard_normal(500), rng.standard_cauchy(500), rng.integers(0, 9, 500), mostly_zero]
    return np.stack(columns, axis=1)


def test_rank_quality_equals_that_of_scipy_ranks(train: np.ndarray, rng: np.random.Generator) -> None:
    rows = np.concatenate([train[:40], 1.7 * rng.permuted(train, axis=0)[:60]])
    restored = rows + 0.3 * rng.standard_normal(rows.shape)
    overall, by_column = scipy_quality(rows, restored, train)
    assert rank_quality(rows, restored, train) == pytest.approx(overall, abs=1e-12)
    functions = [distribution_function(np.sort(column)) for column in train.T]
    assert quality_by_column(*rank_squared_sums(rows, restored, functions)) == pytest.approx(by_column, abs=1e-12)


def test_a_perfect_reconstruction_has_rank_quality_1_and_the_median_has_0(train: np.ndarray) -> None:
    assert rank_quality(train, train, train) == 1
    median = np.broadcast_to(np.median(train[:, :2], axis=0), (500, 2))
    assert rank_quality(train[:, :2], median, train[:, :2]) == pytest.approx(0, abs=1e-9)


def test_training_ranks_have_mean_one_half(train: np.ndarray) -> None:
    for column in train.T:
        assert np.interp(column, *distribution_function(np.sort(column))).mean() == pytest.approx(0.5, abs=1e-12)


def test_increasing_functions_of_the_columns_do_not_change_the_rank_quality_at_training_values(
    train: np.ndarray, rng: np.random.Generator
) -> None:
    rows, restored = train[:200], rng.permuted(train, axis=0)[:200]
    cubed = [np.sign(x) * np.abs(x) ** 3 for x in (rows, restored, train)]
    assert rank_quality(*cubed) == pytest.approx(rank_quality(rows, restored, train), abs=1e-12)


def test_extreme_rows_and_their_clipping_do_not_raise_the_rank_quality(rng: np.random.Generator) -> None:
    train = rng.standard_normal((1000, 6))
    train[:5] *= 1000
    restored = np.zeros_like(train)
    restored[:5] = train[:5]  # only the five extreme rows are reconstructed
    z, z_restored = (((x - train.mean(0)) / train.std(0)).astype(np.float32) for x in (train, restored))
    assert reconstruction_quality(z, z_restored) > 0.99
    assert rank_quality(train, restored, train) < 0.05
    limits = np.percentile(train, [0.1, 99.9], axis=0)
    clipped = rank_quality(train.clip(*limits), restored.clip(*limits), train)
    assert clipped == pytest.approx(rank_quality(train, restored, train), abs=0.01)


def test_few_distinct_values_are_all_kept(train: np.ndarray) -> None:
    column = np.sort(train[:, 2])
    values, ranks = distribution_function(column, 8)
    np.testing.assert_array_equal(values, np.unique(column))
    np.testing.assert_allclose(ranks, np.unique(rankdata(column) - 0.5) / 500, rtol=1e-14)


@pytest.mark.parametrize("column", range(4))
def test_a_bounded_distribution_function_has_few_values_and_a_small_error(train: np.ndarray, column: int) -> None:
    ascending = np.sort(train[:, column])
    values, ranks = distribution_function(ascending, STEPS)
    assert len(values) <= 2 * STEPS + 1
    assert (np.diff(values) > 0).all()
    assert (np.diff(ranks) > 0).all()
    assert values[[0, -1]].tolist() == ascending[[0, -1]].tolist()
    points = np.linspace(ascending[0] - 1, ascending[-1] + 1, 5000)
    points = np.sort(np.concatenate([points, ascending, ascending + 1e-9, ascending - 1e-9]))
    error = np.abs(np.interp(points, values, ranks) - scipy_ranks(points, ascending))
    assert error.max() < 2 / STEPS


def test_an_atom_keeps_its_neighbors() -> None:
    # 0.6 of the values are 0. F jumps there, and must not increase slowly between two distant selected values.
    ascending = np.sort(np.concatenate([np.linspace(-2, -1, 200), np.zeros(600), np.linspace(1, 2, 200)]))
    values, ranks = distribution_function(ascending, STEPS)
    at = int(np.searchsorted(values, 0.0))
    assert values[at - 1 : at + 2].tolist() == [-1.0, 0.0, 1.0]
    assert ranks[at - 1 : at + 2] == pytest.approx([0.1995, 0.5, 0.8005])
