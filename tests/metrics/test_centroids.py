"""Centroid cosines against centroids that are computed from the rows, with signs from PCA of scikit-learn."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from spinlock.metrics import correlation as correlation_module
from spinlock.metrics.centroids import (
    absolute_cosines,
    centroid_cosines,
    centroid_weights,
    held_out_centroid_cosine,
    loading_signs,
    max_centroid_cosine,
)
from spinlock.metrics.correlation import correlation_matrix, unit_columns
from spinlock.metrics.row_centroids import RowCentroids, max_clipped_cosine
from tests.tables import low_rank_table

GROUPS = [np.arange(0, 4), np.arange(4, 9), np.arange(9, 15), np.array([15])]


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    """Z-scored rows [400, 16] of rank 6 plus noise, with positive and negative loadings in each group."""
    table = low_rank_table(rng, 400, 16, 6, noise=0.5).astype(np.float64)
    return (table - table.mean(0)) / table.std(0)


def direct_centroids(rows: np.ndarray, groups: list[np.ndarray], fitted_on: np.ndarray) -> list[np.ndarray]:
    """g_c = mean_j s_j x_j, where s_j are the signs of the first principal component of ``fitted_on``."""
    centroids = []
    for members in groups:
        signs = np.where(PCA(1).fit(fitted_on[:, members]).components_[0] < 0, -1.0, 1.0)
        centroids.append((rows[:, members] * signs).mean(1))
    return centroids


def largest_cosine(centroids: list[np.ndarray]) -> float:
    return max(abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in combinations(centroids, 2))


def test_max_centroid_cosine_equals_a_direct_computation_from_rows(rows: np.ndarray) -> None:
    expected = largest_cosine(direct_centroids(rows, GROUPS, rows))
    assert max_centroid_cosine(np.corrcoef(rows.T), GROUPS) == pytest.approx(expected, abs=1e-10)


def test_every_pair_agrees_with_corrcoef_of_the_centroids(rows: np.ndarray) -> None:
    correlation = np.corrcoef(rows.T)
    expected = np.abs(np.corrcoef(direct_centroids(rows, GROUPS, rows)))
    np.fill_diagonal(expected, 0.0)
    measured = centroid_cosines(correlation, centroid_weights(correlation, GROUPS))
    np.testing.assert_allclose(measured, expected, atol=1e-10)


def test_max_centroid_cosine_of_a_known_correlation_matrix() -> None:
    # Two pairs of equal columns up to sign. Between pairs r = +-0.3, so the centroids have a correlation of 0.3.
    pair_correlation = np.array([[1.0, -1.0], [-1.0, 1.0]])
    correlation = np.block([[pair_correlation, 0.3 * pair_correlation], [0.3 * pair_correlation, pair_correlation]])
    assert max_centroid_cosine(correlation, [np.array([0, 1]), np.array([2, 3])]) == pytest.approx(0.3)


def test_one_category_has_no_cosine(rng: np.random.Generator) -> None:
    assert max_centroid_cosine(np.eye(3), [np.arange(3)]) is None
    assert held_out_centroid_cosine(np.ones((5, 3)), np.ones((1, 3)), rng) is None


def test_the_second_clipping_shows_a_cosine_that_is_due_to_one_row(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((1000, 40)).astype(np.float32)
    rows[0] = 1000.0
    groups = [np.arange(35), np.arange(35, 40)]
    cosine = max_centroid_cosine(np.corrcoef(rows.T), groups)
    assert cosine is not None
    assert cosine > 0.99
    clipped = rows.astype(np.float64).clip(*np.percentile(rows.astype(np.float64), [0.5, 99.5], axis=0))
    expected = max_centroid_cosine(np.corrcoef(clipped.T), groups)
    assert max_clipped_cosine(rows, groups) == pytest.approx(expected, abs=1e-12)
    assert expected is not None
    assert expected < 0.2
    assert max_clipped_cosine(rows, groups, percentile=0.0) == pytest.approx(cosine, abs=1e-12)
    assert max_clipped_cosine(rows, groups[:1]) is None


def test_a_loading_of_zero_has_a_positive_sign() -> None:
    correlation = np.array([[1.0, -0.9, 0.0], [-0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    signs = loading_signs(correlation)
    assert signs[0] == -signs[1]
    assert signs[2] == 1.0


def test_a_centroid_of_zero_norm_has_cosine_zero() -> None:
    assert absolute_cosines(np.array([[0.0, 0.0], [0.0, 2.0]])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_held_out_cosine_uses_the_signs_of_the_training_rows(rows: np.ndarray, rng: np.random.Generator) -> None:
    weights = centroid_weights(np.corrcoef(rows[:300].T), GROUPS)
    interval = held_out_centroid_cosine(rows[300:], weights, rng)
    assert interval is not None
    expected = largest_cosine(direct_centroids(rows[300:], GROUPS, rows[:300]))
    assert interval.value == pytest.approx(expected, abs=1e-10)


def test_the_bootstrap_interval_has_the_width_of_the_sampling_error(rng: np.random.Generator) -> None:
    # One pair of centroids with correlation r: the standard error of a correlation is (1 - r^2) / sqrt(n).
    r, n = 0.6, 900
    rows = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], size=n)
    interval = held_out_centroid_cosine(rows, np.eye(2), rng)
    assert interval is not None
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(2 * 1.645 * (1 - r**2) / np.sqrt(n), rel=0.25)


def test_the_interval_is_reproducible_with_the_generator(rows: np.ndarray) -> None:
    weights = centroid_weights(np.corrcoef(rows.T), GROUPS)
    first, second = (held_out_centroid_cosine(rows, weights, np.random.default_rng(5)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("rows", [20, 300])
def test_centroids_from_rows_equal_those_from_correlations(rng: np.random.Generator, rows: int) -> None:
    table = low_rank_table(rng, rows, 60, 5, 0.5).astype(np.float64)
    groups = [np.arange(0, 45), np.arange(45, 58), np.array([58, 59])]
    correlation = correlation_matrix(table)
    found, weights = RowCentroids.of(unit_columns(table), groups), centroid_weights(correlation, groups)
    products = weights @ correlation @ weights.T  # equal loadings leave the sign of a centroid open
    np.testing.assert_allclose(np.abs(found.sums.T @ found.sums), np.abs(products), atol=1e-9)
    np.testing.assert_allclose(np.abs((found.weights * weights).sum(1)), [45, 13, 2])


def test_the_clipped_cosine_of_a_wide_table_is_that_of_a_narrow_one(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, groups = low_rank_table(rng, 80, 30, 4), [np.arange(0, 12), np.arange(12, 30)]
    narrow = max_clipped_cosine(table, groups)
    monkeypatch.setattr(correlation_module, "MAX_MATRIX_COLUMNS", 10)
    assert max_clipped_cosine(table, groups) == pytest.approx(narrow, abs=1e-9)
    assert max_clipped_cosine(table, groups[:1]) is None


def test_a_constant_column_has_no_direction(rng: np.random.Generator) -> None:
    table = np.column_stack([np.full(10, 3.0), rng.standard_normal(10)])
    columns = unit_columns(table)
    assert not columns[:, 0].any()
    assert columns[:, 1] @ columns[:, 1] == pytest.approx(1.0)
