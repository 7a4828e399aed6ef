"""Nearest neighbors against scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import NearestNeighbors

from spinlock.metrics.neighbors import nearest_neighbors, neighbor_overlap, squared_distances


def test_neighbors_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    points = rng.standard_normal((60, 5))
    peer = NearestNeighbors(n_neighbors=7).fit(points)
    distances, indices = peer.kneighbors()  # without the points themselves
    np.testing.assert_array_equal(nearest_neighbors(points, 7), indices)
    squared = squared_distances(points, points)
    np.testing.assert_allclose(np.take_along_axis(squared, indices, 1), distances**2, atol=1e-9)


def test_equal_distances_are_in_the_order_of_the_rows(rng: np.random.Generator) -> None:
    points = rng.standard_normal((3, 20))[rng.integers(3, size=(50, 2))].reshape(50, 40)
    distances = squareform(pdist(points))
    expected = [sorted((j for j in range(50) if j != i), key=lambda j: (distances[i, j], j))[:7] for i in range(50)]
    assert nearest_neighbors(points, 7).tolist() == expected


def test_overlap_counts_common_neighbors(rng: np.random.Generator) -> None:
    first, second = rng.standard_normal((50, 4)), rng.standard_normal((50, 4))
    a, b = (NearestNeighbors(n_neighbors=10).fit(x).kneighbors(return_distance=False) for x in (first, second))
    expected = np.mean([len(set(x) & set(y)) / 10 for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    assert neighbor_overlap(first, second, 10) == pytest.approx(expected, abs=1e-12)
    assert neighbor_overlap(first, 3 * first, 10) == 1
    assert neighbor_overlap(first[:10], second[:10], 10) is None
