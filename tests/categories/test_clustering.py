"""Distances, Ward linkage and merging, against scikit-learn and the definitions."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, silhouette_score

from spinlock.categories.clustering import (
    DISTANCES,
    absorb_small,
    feature_distance,
    mean_silhouette,
    merge_path,
    ward_labels,
)
from spinlock.categories.partition import groups_of
from spinlock.metrics.centroids import centroid_cosines, centroid_weights
from tests.categories.tables import correlated_table, planted_labels, planted_rows


def test_projector_distance_is_the_distance_of_projectors_onto_the_columns(rng: np.random.Generator) -> None:
    columns = rng.standard_normal((30, 6))
    columns = columns - columns.mean(0)
    columns /= np.linalg.norm(columns, axis=0)
    projectors = [np.outer(x, x) for x in columns.T]
    expected = [[np.linalg.norm(p - q) for q in projectors] for p in projectors]
    np.testing.assert_allclose(feature_distance(columns.T @ columns, "projector"), expected, atol=1e-7)


def test_projector_distance_is_euclidean(rng: np.random.Generator) -> None:
    # Distances are Euclidean if and only if the double-centered matrix of their squares is a Gram matrix.
    correlation = correlated_table(rng)
    centring = np.eye(24) - 1 / 24
    gram = -0.5 * centring @ feature_distance(correlation, "projector") ** 2 @ centring
    assert np.linalg.eigvalsh(gram).min() > -1e-9


def test_absolute_distance_of_two_columns() -> None:
    distance = feature_distance(np.array([[1.0, -0.5], [-0.5, 1.0]]), "absolute")
    np.testing.assert_allclose(distance, [[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize("kind", DISTANCES)
def test_distances_ignore_signs_and_rounding(kind: str) -> None:
    correlation = np.array([[1.0, -1.0 - 1e-15], [-1.0 - 1e-15, 1.0]])
    np.testing.assert_array_equal(feature_distance(correlation, kind), np.zeros((2, 2)))


@pytest.mark.parametrize("count", [2, 4, 7])
def test_ward_agrees_with_scikit_learn_on_the_projectors(rng: np.random.Generator, count: int) -> None:
    columns = rng.standard_normal((12, 20)) + 0.5 * np.repeat(rng.standard_normal((12, 5)), 4, axis=1)
    columns = columns - columns.mean(0)
    columns /= np.linalg.norm(columns, axis=0)
    embedded = np.stack([np.outer(x, x).ravel() for x in columns.T])
    expected = AgglomerativeClustering(count, linkage="ward").fit_predict(embedded)
    assert adjusted_rand_score(expected, ward_labels(columns.T @ columns, count, "projector")) == 1.0


@pytest.mark.parametrize("kind", DISTANCES)
def test_ward_finds_planted_blocks(rng: np.random.Generator, kind: str) -> None:
    sizes = (5, 3, 7)
    labels = ward_labels(np.corrcoef(planted_rows(rng, sizes).T), 3, kind)
    assert adjusted_rand_score(planted_labels(sizes), labels) == 1.0


def test_one_column_or_one_cluster_needs_no_linkage(rng: np.random.Generator) -> None:
    assert ward_labels(np.ones((1, 1)), 5, "projector").tolist() == [0]
    assert ward_labels(correlated_table(rng), 1, "projector").tolist() == [0] * 24


def test_a_small_category_is_merged_into_the_most_correlated_one(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, (4, 4, 4)).T)
    labels = planted_labels((4, 4, 4))
    labels[11] = 3  # one column of the last block is its own category
    assert absorb_small(correlation, labels, 3).tolist() == planted_labels((4, 4, 4)).tolist()


def test_absorb_small_leaves_no_small_category_and_no_gap(rng: np.random.Generator) -> None:
    absorbed = absorb_small(correlated_table(rng), np.arange(24), 4)
    sizes = np.bincount(absorbed)
    assert sizes.min() >= 4
    assert sizes.sum() == 24


def test_absorb_small_does_not_change_fixed_categories(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, (3, 4, 4)).T)
    labels = np.array([0, 0, 2, 1, 1, 1, 1, 3, 3, 3, 3])  # column 2 correlates with the fixed category 0
    absorbed = absorb_small(correlation, labels, 3, num_fixed=1)
    assert np.flatnonzero(absorbed == 0).tolist() == [0, 1]
    assert np.bincount(absorbed)[1:].min() >= 3


def test_the_only_discovered_category_may_be_small() -> None:
    labels = np.array([0, 0, 1])
    np.testing.assert_array_equal(absorb_small(np.eye(3), labels, 3, num_fixed=1), labels)


@pytest.mark.parametrize("fixed", [0, 2])
def test_each_merge_joins_the_most_correlated_pair(rng: np.random.Generator, fixed: int) -> None:
    correlation = correlated_table(rng)
    start = ward_labels(correlation, 9, "projector")
    path = merge_path(correlation, start, fixed)
    assert sorted(path) == list(range(fixed + 1, 10))
    for count in range(9, fixed + 1, -1):
        before, after = path[count], path[count - 1]
        groups = groups_of(before)
        cosine = centroid_cosines(correlation, centroid_weights(correlation, groups))[fixed:, fixed:]
        first, second = (fixed + i for i in np.unravel_index(cosine.argmax(), cosine.shape))
        united = set(groups[first].tolist()) | set(groups[second].tolist())
        expected = [set(g.tolist()) for i, g in enumerate(groups) if i not in (first, second)] + [united]
        assert sorted(map(sorted, expected)) == sorted(group.tolist() for group in groups_of(after))
        np.testing.assert_array_equal(before < fixed, after < fixed)
        np.testing.assert_array_equal(before[before < fixed], after[before < fixed])


@pytest.mark.parametrize("clusters", [2, 5, 19])
def test_the_silhouette_equals_that_of_scikit_learn(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    distance = feature_distance(np.corrcoef(rng.standard_normal((20, 50))))
    labels = np.concatenate([np.arange(clusters), rng.integers(clusters, size=20 - clusters)])
    expected = silhouette_score(distance, labels, metric="precomputed")
    assert mean_silhouette(distance, labels) == pytest.approx(expected, rel=1e-12)
