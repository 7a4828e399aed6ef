"""Bundles of columns against closed forms, and weighted Ward linkage against that of repeated points."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from spinlock.categories import bundles
from spinlock.categories.bundles import bundle_columns, coordinates, nearest_lines, weighted_ward_labels
from spinlock.metrics.correlation import unit_columns
from spinlock.metrics.row_centroids import row_loading_signs
from tests.categories.tables import planted_labels, planted_rows

SIZES = (9, 7, 5, 5, 4, 3)


def test_near_duplicates_are_in_one_bundle(rng: np.random.Generator) -> None:
    base = rng.standard_normal((50, 40))
    copies = np.concatenate([base, -3 * base + 0.01 * rng.standard_normal(base.shape)], axis=1)
    found = bundle_columns(unit_columns(copies), max_bundles=40)
    together = found.labels[:40] == found.labels[40:]
    assert together.mean() > 0.8


def test_products_are_those_of_the_signed_sums(rng: np.random.Generator) -> None:
    columns = unit_columns(planted_rows(rng, SIZES, rows=80))
    found = bundle_columns(columns, max_bundles=10)
    assert len(found.sizes) <= 10
    assert found.sizes.sum() == sum(SIZES)
    members = [np.flatnonzero(found.labels == bundle) for bundle in range(len(found.sizes))]
    sums = np.stack([columns[:, own] @ row_loading_signs(columns[:, own]) for own in members], axis=1)
    np.testing.assert_allclose(found.products, sums.T @ sums, atol=1e-12)
    np.testing.assert_allclose(np.diag(found.correlation), 1.0)
    np.testing.assert_allclose(found.correlation, np.corrcoef(sums.T), atol=1e-10)


def test_fixed_categories_are_the_first_bundles(rng: np.random.Generator) -> None:
    fixed = np.full(sum(SIZES), -1)
    fixed[[0, 9, 20]], fixed[[3, 32]] = 0, 1
    found = bundle_columns(unit_columns(planted_rows(rng, SIZES)), max_bundles=8, fixed_labels=fixed)
    np.testing.assert_array_equal(found.labels[fixed >= 0], fixed[fixed >= 0])
    assert (found.labels[fixed < 0] >= 2).all()


def test_lines_with_as_many_clusters_as_points_are_the_points(rng: np.random.Generator) -> None:
    points = rng.standard_normal((5, 12)).astype(np.float32)
    np.testing.assert_array_equal(nearest_lines(points, 12, rng), np.arange(12))


def test_planted_lines_are_found(rng: np.random.Generator) -> None:
    columns = unit_columns(planted_rows(rng, (40,) * 12, noise=0.1)).astype(np.float32)
    assert adjusted_rand_score(planted_labels((40,) * 12), nearest_lines(columns, 12, rng)) > 0.7


def test_coordinates_keep_the_products_of_columns_of_low_rank(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "MAX_COORDINATES", 8)
    columns = unit_columns(rng.standard_normal((100, 5)) @ rng.standard_normal((5, 60)))
    reduced = coordinates(columns, rng)
    assert reduced.shape == (8, 60)
    np.testing.assert_allclose(reduced.T @ reduced, columns.T @ columns, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_weighted_ward_linkage_equals_that_of_repeated_points(rng: np.random.Generator, count: int) -> None:
    points, sizes = rng.standard_normal((20, 3)), rng.integers(1, 6, 20)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    labels = weighted_ward_labels(distance, sizes.astype(float), count)
    expected = fcluster(linkage(points.repeat(sizes, axis=0), "ward"), count, "maxclust")
    assert adjusted_rand_score(expected, labels.repeat(sizes)) == 1.0
    assert labels.max() == count - 1
