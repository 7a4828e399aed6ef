"""Topographic measures against NumPy, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness

from spinlock.metrics.topography import (
    MAX_ROWS,
    NEIGHBORS,
    fixed_rows,
    pair_distances,
    pearson,
    topographic_correlation,
    topographic_measures,
)


def trustworthiness_by_definition(original: np.ndarray, embedded: np.ndarray) -> float:
    """The trustworthiness of points [n, E] by its definition; rows at equal distances are in the order of the rows."""
    near, far = squareform(pdist(original)), squareform(pdist(embedded))
    count, excess = len(near), 0
    for i in range(count):
        others = [j for j in range(count) if j != i]
        rank = {j: 1 + index for index, j in enumerate(sorted(others, key=lambda j: (near[i, j], j)))}
        nearest = sorted(others, key=lambda j: (far[i, j], j))[:NEIGHBORS]
        excess += sum(max(0, rank[j] - NEIGHBORS) for j in nearest)
    return 1 - 2 / (count * NEIGHBORS * (2 * count - 3 * NEIGHBORS - 1)) * excess


@pytest.fixture
def maps(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features [64, 8] and noisy latents [64, 2] of them."""
    features = rng.standard_normal((64, 8))
    return features, features[:, :2] + 0.5 * rng.standard_normal((64, 2))


def test_pair_distances_agree_with_scipy(maps: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(pair_distances(maps[0]), pdist(maps[0]), rtol=1e-10)


def test_pearson_correlation_of_pair_distances_agrees_with_corrcoef(maps: tuple[np.ndarray, np.ndarray]) -> None:
    features, latents = maps
    expected = np.corrcoef(pdist(features), pdist(latents))[0, 1]
    assert topographic_measures(features, latents).pearson == pytest.approx(expected, abs=1e-12)
    assert topographic_correlation(features, latents) == pytest.approx(expected, abs=1e-12)


def test_the_zero_diagonal_of_the_distances_is_excluded(maps: tuple[np.ndarray, np.ndarray]) -> None:
    features, latents = maps
    full = np.corrcoef(*(squareform(pdist(points)).ravel() for points in maps))[0, 1]
    assert topographic_measures(features, latents).pearson < full - 0.05


def test_spearman_agrees_with_scipy(maps: tuple[np.ndarray, np.ndarray]) -> None:
    expected = spearmanr(*(pdist(points) for points in maps)).statistic
    assert topographic_measures(*maps).spearman == pytest.approx(expected, abs=1e-12)


def test_trustworthiness_and_continuity_agree_with_scikit_learn(maps: tuple[np.ndarray, np.ndarray]) -> None:
    features, latents = maps
    measured = topographic_measures(features, latents)
    assert measured.trustworthiness == pytest.approx(
        trustworthiness(features, latents, n_neighbors=NEIGHBORS), abs=1e-12
    )
    assert measured.continuity == pytest.approx(trustworthiness(latents, features, n_neighbors=NEIGHBORS), abs=1e-12)
    assert measured.trustworthiness != pytest.approx(measured.continuity, abs=1e-3)


def test_a_row_is_not_its_own_neighbor_even_if_rows_are_identical(rng: np.random.Generator) -> None:
    # With 18 identical rows, a row that is not the first in its own ranking would shift the ranks beyond the 15th.
    features = np.concatenate([np.zeros((18, 3)), rng.standard_normal((30, 3)) + 5.0])
    latents = rng.standard_normal((48, 2))
    expected = trustworthiness_by_definition(features, latents)
    assert topographic_measures(features, latents).trustworthiness == pytest.approx(expected, abs=1e-12)


def test_equal_distances_have_equal_ranks(rng: np.random.Generator) -> None:
    """Latents of few values have many pairs at the same distance, whose ranks would depend on rounding."""
    features = rng.standard_normal((64, 8))
    latents = rng.standard_normal((3, 40))[np.digitize(features[:, :4], [-0.5, 0.5])].reshape(64, 160)
    measured = topographic_measures(features, latents)
    assert len(np.unique(pdist(latents))) < 1000
    assert measured.spearman == pytest.approx(spearmanr(pdist(features), pdist(latents)).statistic, abs=1e-12)
    assert measured.trustworthiness == pytest.approx(trustworthiness_by_definition(features, latents), abs=1e-12)
    assert measured.continuity == pytest.approx(trustworthiness_by_definition(latents, features), abs=1e-12)


def test_measures_of_a_rotated_and_scaled_copy_are_one(rng: np.random.Generator) -> None:
    features = rng.standard_normal((40, 5))
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    measured = topographic_measures(features, 3.0 * features @ rotation)
    assert measured.pearson == pytest.approx(1.0)
    assert measured.spearman == pytest.approx(1.0)
    assert measured.trustworthiness == measured.continuity == 1.0


def test_too_few_rows_have_no_trustworthiness_and_continuity(rng: np.random.Generator) -> None:
    features = rng.standard_normal((2 * NEIGHBORS, 3))
    measured = topographic_measures(features, features)
    assert measured.trustworthiness is None
    assert measured.continuity is None
    assert measured.pearson == pytest.approx(1.0)


def test_constant_latents_have_zero_correlation(rng: np.random.Generator) -> None:
    measured = topographic_measures(rng.standard_normal((40, 3)), np.ones((40, 2)))
    assert (measured.pearson, measured.spearman) == (0.0, 0.0)
    assert pearson(np.arange(3.0), np.zeros(3)) == 0.0


def test_fixed_rows_are_a_reproducible_sorted_sample() -> None:
    assert fixed_rows(10).tolist() == list(range(10))
    positions = fixed_rows(5000)
    assert len(np.unique(positions)) == MAX_ROWS
    assert np.all(np.diff(positions) > 0)
    np.testing.assert_array_equal(positions, fixed_rows(5000))
