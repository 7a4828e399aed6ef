"""Discovery: recovery of planted blocks, requested numbers, fixed categories, and the order of the criteria."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spinlock.categories import discovery
from spinlock.categories.candidate_search import partition_at
from spinlock.categories.candidates import Candidate, DiscoveryLimits
from spinlock.categories.discovery import discover
from spinlock.categories.partition import groups_of
from spinlock.metrics.centroids import max_centroid_cosine
from tests.categories.tables import assert_valid_labels, correlated_table, planted_labels, planted_rows

LIMITS = DiscoveryLimits(target=0.25, min_features=3, max_clusters=50)
SIZES = (6, 4, 8, 5, 5)


def number_of_categories_score(partitions: Sequence[np.ndarray]) -> list[float]:
    """A score that prefers more categories."""
    return [float(labels.max()) for labels in partitions]


def fail_if_scored(partitions: Sequence[np.ndarray]) -> list[float]:
    raise AssertionError("there is only one candidate to choose")


def test_planted_blocks_are_recovered(rng: np.random.Generator) -> None:
    result = discover(np.corrcoef(planted_rows(rng, SIZES).T), LIMITS, score=number_of_categories_score)
    assert adjusted_rand_score(planted_labels(SIZES), result.chosen.labels) == 1.0
    assert result.meets_target
    assert result.chosen.silhouette > 0.5


def test_the_reported_scores_match_the_labels(rng: np.random.Generator) -> None:
    correlation = correlated_table(rng, columns=40, rank=8)
    result = discover(correlation, LIMITS, score=number_of_categories_score)
    for candidate in result.candidates:
        groups = groups_of(candidate.labels)
        assert_valid_labels(candidate.labels, 40)
        assert candidate.num_categories == len(groups)
        assert candidate.cosine == pytest.approx(max_centroid_cosine(correlation, groups) or 0.0)
        assert candidate.adjustable_cosine == candidate.cosine
        assert candidate.largest_fraction == max(len(group) for group in groups) / 40
        assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)
    assert any(candidate is result.chosen for candidate in result.candidates)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_up_to_three_columns_are_one_category(rng: np.random.Generator, columns: int) -> None:
    correlation = np.corrcoef(rng.standard_normal((columns, 50))).reshape(columns, columns)
    result = discover(correlation, LIMITS, score=fail_if_scored)
    assert result.chosen.labels.tolist() == [0] * columns
    assert not result.meets_target


def test_two_uncorrelated_columns_can_be_two_categories(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(rng.standard_normal((2, 500)))
    result = discover(correlation, replace(LIMITS, min_features=1), score=number_of_categories_score)
    assert sorted(result.chosen.labels.tolist()) == [0, 1]
    assert result.meets_target


def test_nearly_identical_columns_give_a_partition_that_misses_the_target(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, (12,), noise=0.01).T)
    result = discover(correlation, LIMITS, score=number_of_categories_score)
    assert_valid_labels(result.chosen.labels, 12)
    assert not result.meets_target
    assert result.chosen.cosine > 0.9


def test_a_table_of_effective_rank_two_has_two_categories(rng: np.random.Generator) -> None:
    sizes = (9, 7)
    result = discover(np.corrcoef(planted_rows(rng, sizes, noise=0.05).T), LIMITS, score=number_of_categories_score)
    assert result.chosen.num_categories == 2
    assert adjusted_rand_score(planted_labels(sizes), result.chosen.labels) == 1.0
    assert result.meets_target


def test_uncorrelated_columns_have_a_valid_partition() -> None:
    result = discover(np.eye(15), LIMITS, score=number_of_categories_score)
    assert_valid_labels(result.chosen.labels, 15)
    assert result.chosen.cosine == 0.0


class TestFixedCategories:
    """Hybrid assignment: some categories are fixed."""

    def test_fixed_categories_are_kept_and_the_others_are_discovered(self, rng: np.random.Generator) -> None:
        correlation = np.corrcoef(planted_rows(rng, SIZES).T)
        truth = planted_labels(SIZES)
        fixed_labels = np.where(truth < 2, 1 - truth, -1)  # the first two blocks in reverse order
        result = discover(correlation, LIMITS, score=number_of_categories_score, fixed_labels=fixed_labels)
        for number in (0, 1):
            np.testing.assert_array_equal(result.chosen.labels == number, fixed_labels == number)
        assert adjusted_rand_score(truth, result.chosen.labels) == 1.0

    @pytest.mark.parametrize("seed", range(4))
    def test_the_reported_cosine_includes_fixed_and_discovered_categories(self, seed: int) -> None:
        correlation = correlated_table(np.random.default_rng(seed), columns=40, rank=8)
        fixed_labels = np.full(40, -1)
        fixed_labels[[0, 3, 5, 8]] = 0
        result = discover(correlation, LIMITS, score=number_of_categories_score, fixed_labels=fixed_labels)
        assert result.chosen.cosine == pytest.approx(max_centroid_cosine(correlation, groups_of(result.chosen.labels)))
        np.testing.assert_array_equal(result.chosen.labels == 0, fixed_labels == 0)
        assert_valid_labels(result.chosen.labels, 40)

    def test_the_requested_number_counts_discovered_categories_only(self, rng: np.random.Generator) -> None:
        truth = planted_labels(SIZES)
        fixed_labels = np.where(truth < 2, truth, -1)
        correlation = np.corrcoef(planted_rows(rng, SIZES).T)
        result = discover(
            correlation, replace(LIMITS, count=3), score=number_of_categories_score, fixed_labels=fixed_labels
        )
        assert result.chosen.num_categories == 5
        assert adjusted_rand_score(truth, result.chosen.labels) == 1.0

    def test_fixed_categories_of_all_columns_are_returned(self, rng: np.random.Generator) -> None:
        truth = planted_labels(SIZES)
        result = discover(np.corrcoef(planted_rows(rng, SIZES).T), LIMITS, score=fail_if_scored, fixed_labels=truth)
        np.testing.assert_array_equal(result.chosen.labels, truth)
        assert result.chosen.distance == "given"

    def test_correlated_fixed_categories_do_not_reduce_the_number_of_discovered_ones(
        self, rng: np.random.Generator
    ) -> None:
        # No partition can lower the cosine of two fixed categories. It must not decide about the other columns.
        rows, truth = planted_rows(rng, (5, 5, *SIZES)), planted_labels((5, 5, *SIZES))
        rows[:, 5:10] += (
            0.5 * rows[:, :1] * np.sign(rows[:, :1] * rows[:, 5:6])
        )  # a common signal of the two fixed blocks
        rows[:, :5] += 2.0 * rows[:, 5:6]
        correlation = np.corrcoef(rows.T)
        result = discover(
            correlation, LIMITS, score=number_of_categories_score, fixed_labels=np.where(truth < 2, truth, -1)
        )
        assert adjusted_rand_score(truth, result.chosen.labels) == 1.0
        assert result.chosen.adjustable_cosine < LIMITS.target < result.chosen.cosine
        assert not result.meets_target


class TestChoice:
    """Order of the criteria: below the target, several balanced categories, quality, silhouette."""

    base = Candidate(np.arange(10) % 5, "projector", 5, 0.2, 0.2, 0.2, 0, 0.3, 0.1)

    def choose(self, *candidates: Candidate, score: discovery.Score = number_of_categories_score) -> Candidate:
        result = discovery.choose(candidates, 0.25, score)
        assert any(candidate is result.chosen for candidate in result.candidates)
        return result.chosen

    def test_a_candidate_below_the_target_is_preferred(self) -> None:
        above = replace(self.base, labels=np.arange(10), num_categories=10, adjustable_cosine=0.3)
        assert self.choose(above, self.base, score=fail_if_scored) is self.base

    def test_the_lowest_cosine_is_chosen_if_no_candidate_is_below_the_target(self) -> None:
        worse, better = replace(self.base, adjustable_cosine=0.5), replace(self.base, adjustable_cosine=0.4)
        single = replace(self.base, num_categories=1, adjustable_cosine=0.0)
        assert self.choose(worse, better, single, score=fail_if_scored) is better

    @pytest.mark.parametrize("changes", [{"num_categories": 3}, {"largest_fraction": 0.7}])
    def test_candidates_with_few_or_unbalanced_categories_are_second_choice(self, changes: dict[str, float]) -> None:
        poor = replace(self.base, labels=np.arange(10), **changes)
        assert self.choose(poor, self.base, score=fail_if_scored) is self.base
        above = replace(self.base, adjustable_cosine=0.3)
        assert self.choose(poor, above, score=fail_if_scored) is poor

    def test_the_highest_quality_is_chosen_and_recorded(self) -> None:
        other = replace(self.base, labels=np.arange(10) % 7, num_categories=7, silhouette=-0.5)
        chosen = self.choose(self.base, other)
        assert (chosen.num_categories, chosen.quality) == (7, 6.0)

    def test_the_silhouette_decides_between_similar_qualities(self) -> None:
        other = replace(self.base, labels=np.arange(10) % 7, num_categories=7, silhouette=0.4)
        qualities = {5: 0.9010, 7: 0.9000}
        chosen = self.choose(
            self.base, other, score=lambda partitions: [qualities[len(set(x.tolist()))] for x in partitions]
        )
        assert (chosen.num_categories, chosen.quality) == (7, 0.9)

    def test_a_partition_without_a_score_is_not_chosen(self) -> None:
        other = replace(self.base, labels=np.arange(10) % 7, num_categories=7, silhouette=0.9)
        chosen = self.choose(self.base, other, score=lambda partitions: [0.5, None])
        assert (chosen.num_categories, chosen.quality) == (5, 0.5)


def test_discovery_is_reproducible(rng: np.random.Generator) -> None:
    correlation = correlated_table(rng, columns=40, rank=8)
    first, second = (discover(correlation, LIMITS, score=number_of_categories_score) for _ in range(2))
    np.testing.assert_array_equal(first.chosen.labels, second.chosen.labels)
    assert [c.summary() for c in first.candidates] == [c.summary() for c in second.candidates]


def test_a_summary_holds_plain_numbers_and_text(rng: np.random.Generator) -> None:
    summary = discover(correlated_table(rng), LIMITS, score=number_of_categories_score).chosen.summary()
    assert all(value is None or type(value) in (int, float, str) for value in summary.values())
    assert summary["num_categories"] >= 1


@pytest.mark.parametrize("seed", range(12))
def test_discovery_finds_the_largest_number_of_categories_below_the_target_on_small_tables(seed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed), rank=8)
    result = discover(correlation, LIMITS, score=number_of_categories_score)
    under = [
        candidate
        for kind in ("projector", "absolute")
        for candidate in (partition_at(correlation, count, kind, LIMITS) for count in range(2, 9))
        if candidate.cosine < LIMITS.target and candidate.num_categories > 1
    ]
    min_categories, max_fraction = discovery.MIN_CATEGORIES, discovery.MAX_CATEGORY_FRACTION
    balanced = [c for c in under if c.num_categories >= min_categories and c.largest_fraction <= max_fraction]
    assert result.meets_target == bool(under)
    if balanced or under:
        assert result.chosen.num_categories == max(c.num_categories for c in balanced or under)
