"""Candidates of a wide table: with one bundle for each column they are those of a narrow table."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spinlock.categories import row_search
from spinlock.categories.candidate_search import partition_at
from spinlock.categories.candidates import DiscoveryLimits
from spinlock.categories.partition import groups_of
from spinlock.categories.row_search import find_candidates_of_rows, partition_of_rows
from spinlock.metrics import correlation as correlation_module
from spinlock.metrics.centroids import max_centroid_cosine
from spinlock.metrics.correlation import correlation_matrix
from tests.categories.tables import assert_valid_labels, planted_labels, planted_rows
from tests.tables import low_rank_table

LIMITS = DiscoveryLimits(target=0.3, min_features=3, max_clusters=8)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table of more than ten columns is wide."""
    monkeypatch.setattr(correlation_module, "MAX_MATRIX_COLUMNS", 10)


def table(seed: int, columns: int = 60) -> np.ndarray:
    return low_rank_table(np.random.default_rng(seed), 300, columns, 8, 0.6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fixed", [None, 6])
def test_one_bundle_for_each_column_gives_the_same_candidates(
    monkeypatch: pytest.MonkeyPatch, seed: int, fixed: int | None
) -> None:
    rows = table(seed)
    labels = None if fixed is None else np.where(np.arange(60) < fixed, np.arange(60), -1)
    limits = LIMITS if fixed is None else replace(LIMITS, max_clusters=12)
    narrow = find_candidates_of_rows(rows, limits, fixed_labels=labels)
    monkeypatch.setattr(correlation_module, "MAX_MATRIX_COLUMNS", 10)
    wide = find_candidates_of_rows(rows, limits, fixed_labels=labels)
    assert len(wide) == len(narrow)
    for one, other in zip(wide, narrow, strict=True):
        assert (one.num_categories, one.distance) == (other.num_categories, other.distance)
        assert one.merged_cosine == pytest.approx(other.merged_cosine, abs=1e-9)
        assert one.cosine == pytest.approx(other.cosine, abs=0.02)  # moves depend on the numbers of the categories
    unmoved = [pair for pair in zip(wide, narrow, strict=True) if not pair[0].moves and not pair[1].moves]
    assert len(unmoved) >= 2
    for one, other in unmoved:
        assert adjusted_rand_score(other.labels, one.labels) == 1.0
        for name in ("cosine", "adjustable_cosine", "silhouette", "largest_fraction"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9), name


@pytest.mark.usefixtures("wide")
def test_the_cosines_are_those_of_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_search, "MAX_BUNDLES", 15)
    rows = table(4)
    correlation = correlation_matrix(rows.astype(np.float64))
    for candidate in find_candidates_of_rows(rows, LIMITS):
        assert_valid_labels(candidate.labels, 60)
        expected = max_centroid_cosine(correlation, groups_of(candidate.labels)) or 0.0
        assert candidate.cosine == pytest.approx(expected, abs=1e-9)


@pytest.mark.usefixtures("wide")
def test_planted_categories_are_found_in_bundles(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_search, "MAX_BUNDLES", 24)
    sizes = (40, 30, 20, 10)
    rows = planted_rows(rng, sizes)
    found = {c.num_categories: c for c in find_candidates_of_rows(rows, LIMITS) if c.distance == "projector"}
    np.testing.assert_array_equal(found[4].labels, planted_labels(sizes))


def test_the_partition_of_rows_equals_that_of_the_correlation_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(5).astype(np.float64)
    expected = partition_at(correlation_matrix(rows), 5, "projector", LIMITS).labels
    np.testing.assert_array_equal(partition_of_rows(rows, 5, "projector", LIMITS), expected)
    monkeypatch.setattr(correlation_module, "MAX_MATRIX_COLUMNS", 10)
    np.testing.assert_array_equal(partition_of_rows(rows, 5, "projector", LIMITS), expected)


def test_a_wide_table_needs_no_matrix_of_all_columns(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_search, "MAX_BUNDLES", 60)
    columns = 6_000
    rows = planted_rows(rng, (columns // 6,) * 6, rows=40, noise=1.0).astype(np.float32)
    tracemalloc.start()
    candidates = row_search.find_candidates_of_rows(rows, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(candidate.num_categories for candidate in candidates) > 3
    assert peak < columns**2  # an eighth of a matrix in float64
