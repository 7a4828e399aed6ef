"""Candidate partitions: requested numbers of categories, and conflicts of limits with fixed categories."""

from dataclasses import replace

import numpy as np
import pytest

from spinlock.categories.candidate_search import find_candidates, partition_at
from spinlock.categories.candidates import ALL_FIXED, DiscoveryLimits
from spinlock.errors import DataError
from tests.categories.tables import assert_valid_labels, correlated_table, planted_labels, planted_rows

LIMITS = DiscoveryLimits(target=0.25, min_features=3, max_clusters=50)
SIZES = (6, 4, 8, 5, 5)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_candidates_have_the_requested_number_of_categories(rng: np.random.Generator, count: int) -> None:
    candidates = find_candidates(correlated_table(rng, columns=40, rank=8), replace(LIMITS, count=count))
    assert candidates
    for candidate in candidates:
        assert candidate.num_categories == count
        assert_valid_labels(candidate.labels, 40)


def test_a_requested_number_of_categories_may_exceed_max_clusters(rng: np.random.Generator) -> None:
    limits = replace(LIMITS, max_clusters=2, count=5)
    candidates = find_candidates(np.corrcoef(planted_rows(rng, SIZES).T), limits)
    assert {candidate.num_categories for candidate in candidates} == {5}


def test_an_impossible_number_of_categories_is_an_error_that_names_the_range(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match=r"num_categories_auto = 9, but clustering .* expected 1 to [2-8];"):
        find_candidates(correlated_table(rng), replace(LIMITS, count=9))


def test_the_named_range_does_not_count_fixed_categories(rng: np.random.Generator) -> None:
    fixed_labels = np.full(24, -1)
    fixed_labels[:12] = np.repeat([0, 1], 6)
    with pytest.raises(DataError, match=r"num_categories_auto = 9, but clustering .* expected 1 to [1-4];"):
        find_candidates(correlated_table(rng), replace(LIMITS, count=9), fixed_labels=fixed_labels)


def test_max_clusters_must_exceed_the_fixed_categories_if_other_columns_remain(rng: np.random.Generator) -> None:
    fixed_labels = np.full(24, -1)
    fixed_labels[:12] = np.repeat([0, 1, 2], 4)
    with pytest.raises(DataError, match=r"max_clusters = 3, but the mapping file has 3 categories and does not"):
        find_candidates(correlated_table(rng), replace(LIMITS, max_clusters=3), fixed_labels=fixed_labels)
    candidates = find_candidates(correlated_table(rng), replace(LIMITS, max_clusters=4), fixed_labels=fixed_labels)
    assert {candidate.num_categories for candidate in candidates} == {4}


def test_all_columns_fixed_give_a_single_candidate(rng: np.random.Generator) -> None:
    correlation, labels = np.corrcoef(planted_rows(rng, SIZES).T), planted_labels(SIZES)
    (candidate,) = find_candidates(correlation, LIMITS, fixed_labels=labels)
    assert candidate.distance == ALL_FIXED
    np.testing.assert_array_equal(candidate.labels, labels)
    with pytest.raises(DataError, match="num_categories_auto = 2, but the mapping file assigns every column"):
        find_candidates(correlation, replace(LIMITS, count=2), fixed_labels=labels)


def test_partition_at_returns_the_partition_with_the_nearest_number_of_categories(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, SIZES).T)
    assert partition_at(correlation, 4, "projector", LIMITS).num_categories == 4
    assert 5 <= partition_at(correlation, 99, "absolute", LIMITS).num_categories <= 9
