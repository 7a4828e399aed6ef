"""Discovery: planted blocks come back, exact numbers are exact, given categories stay, the target decides first."""

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
from tests.categories.tables import assert_sound, entangled, planted_labels, planted_rows

LIMITS = DiscoveryLimits(target=0.25, min_features=3, max_clusters=50)
SIZES = (6, 4, 8, 5, 5)


def by_number(partitions: Sequence[np.ndarray]) -> list[float]:
    """A score that prefers more categories."""
    return [float(labels.max()) for labels in partitions]


def never(partitions: Sequence[np.ndarray]) -> list[float]:
    raise AssertionError("nothing to choose between")


def test_planted_blocks_are_recovered(rng: np.random.Generator) -> None:
    result = discover(np.corrcoef(planted_rows(rng, SIZES).T), LIMITS, score=by_number)
    assert adjusted_rand_score(planted_labels(SIZES), result.chosen.labels) == 1.0
    assert result.meets_target
    assert result.chosen.silhouette > 0.5


def test_the_reported_scores_are_those_of_the_labels(rng: np.random.Generator) -> None:
    correlation = entangled(rng, columns=40, rank=8)
    result = discover(correlation, LIMITS, score=by_number)
    for candidate in result.candidates:
        groups = groups_of(candidate.labels)
        assert_sound(candidate.labels, 40)
        assert candidate.num_categories == len(groups)
        assert candidate.cosine == pytest.approx(max_centroid_cosine(correlation, groups) or 0.0)
        assert candidate.adjustable_cosine == candidate.cosine
        assert candidate.largest_fraction == max(len(group) for group in groups) / 40
        assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)
    assert any(candidate is result.chosen for candidate in result.candidates)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_very_few_columns_are_one_category(rng: np.random.Generator, columns: int) -> None:
    correlation = np.corrcoef(rng.standard_normal((columns, 50))).reshape(columns, columns)
    result = discover(correlation, LIMITS, score=never)
    assert result.chosen.labels.tolist() == [0] * columns
    assert not result.meets_target


def test_two_columns_may_be_two_categories(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(rng.standard_normal((2, 500)))
    result = discover(correlation, replace(LIMITS, min_features=1), score=by_number)
    assert sorted(result.chosen.labels.tolist()) == [0, 1]
    assert result.meets_target


def test_columns_that_are_nearly_the_same_make_a_partition_that_misses_the_target(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, (12,), noise=0.01).T)
    result = discover(correlation, LIMITS, score=by_number)
    assert_sound(result.chosen.labels, 12)
    assert not result.meets_target
    assert result.chosen.cosine > 0.9


def test_a_table_of_effective_rank_two_collapses_to_two_categories(rng: np.random.Generator) -> None:
    sizes = (9, 7)
    result = discover(np.corrcoef(planted_rows(rng, sizes, noise=0.05).T), LIMITS, score=by_number)
    assert result.chosen.num_categories == 2
    assert adjusted_rand_score(planted_labels(sizes), result.chosen.labels) == 1.0
    assert result.meets_target


def test_uncorrelated_and_constant_columns_do_no_harm() -> None:
    result = discover(np.eye(15), LIMITS, score=by_number)
    assert_sound(result.chosen.labels, 15)
    assert result.chosen.cosine == 0.0


class TestGiven:
    """Hybrid: some categories are given and stay as they are."""

    def test_they_stay_and_the_rest_is_discovered(self, rng: np.random.Generator) -> None:
        correlation = np.corrcoef(planted_rows(rng, SIZES).T)
        truth = planted_labels(SIZES)
        given = np.where(truth < 2, 1 - truth, -1)  # the first two blocks, numbered the other way round
        result = discover(correlation, LIMITS, score=by_number, fixed_labels=given)
        for number in (0, 1):
            np.testing.assert_array_equal(result.chosen.labels == number, given == number)
        assert adjusted_rand_score(truth, result.chosen.labels) == 1.0

    @pytest.mark.parametrize("seed", range(4))
    def test_orthogonality_is_held_over_given_and_discovered(self, seed: int) -> None:
        correlation = entangled(np.random.default_rng(seed), columns=40, rank=8)
        given = np.full(40, -1)
        given[[0, 3, 5, 8]] = 0
        result = discover(correlation, LIMITS, score=by_number, fixed_labels=given)
        assert result.chosen.cosine == pytest.approx(max_centroid_cosine(correlation, groups_of(result.chosen.labels)))
        np.testing.assert_array_equal(result.chosen.labels == 0, given == 0)
        assert_sound(result.chosen.labels, 40)

    def test_the_exact_number_is_of_those_discovered(self, rng: np.random.Generator) -> None:
        truth = planted_labels(SIZES)
        given = np.where(truth < 2, truth, -1)
        correlation = np.corrcoef(planted_rows(rng, SIZES).T)
        result = discover(correlation, replace(LIMITS, count=3), score=by_number, fixed_labels=given)
        assert result.chosen.num_categories == 5
        assert adjusted_rand_score(truth, result.chosen.labels) == 1.0

    def test_nothing_is_left_to_discover(self, rng: np.random.Generator) -> None:
        truth = planted_labels(SIZES)
        result = discover(np.corrcoef(planted_rows(rng, SIZES).T), LIMITS, score=never, fixed_labels=truth)
        np.testing.assert_array_equal(result.chosen.labels, truth)
        assert result.chosen.distance == "given"

    def test_given_categories_that_correlate_leave_the_others_their_number(self, rng: np.random.Generator) -> None:
        # No partition can mend what two given categories have in common; once it left all other columns in one.
        rows, truth = planted_rows(rng, (5, 5, *SIZES)), planted_labels((5, 5, *SIZES))
        rows[:, 5:10] += 0.5 * rows[:, :1] * np.sign(rows[:, :1] * rows[:, 5:6])  # anything the two share
        rows[:, :5] += 2.0 * rows[:, 5:6]
        correlation = np.corrcoef(rows.T)
        result = discover(correlation, LIMITS, score=by_number, fixed_labels=np.where(truth < 2, truth, -1))
        assert adjusted_rand_score(truth, result.chosen.labels) == 1.0
        assert result.chosen.adjustable_cosine < LIMITS.target < result.chosen.cosine
        assert not result.meets_target


class TestChoice:
    """Among candidates: under the target, then several and balanced, then quality, then silhouette."""

    base = Candidate(np.arange(10) % 5, "projector", 5, 0.2, 0.2, 0.2, 0, 0.3, 0.1)

    def choose(self, *candidates: Candidate, score: discovery.Score = by_number) -> Candidate:
        result = discovery.choose(candidates, 0.25, score)
        assert any(candidate is result.chosen for candidate in result.candidates)
        return result.chosen

    def test_one_under_the_target_wins_over_a_better_one_above(self) -> None:
        above = replace(self.base, labels=np.arange(10), num_categories=10, adjustable_cosine=0.3)
        assert self.choose(above, self.base, score=never) is self.base

    def test_none_under_the_target_leaves_the_lowest_cosine(self) -> None:
        worse, better = replace(self.base, adjustable_cosine=0.5), replace(self.base, adjustable_cosine=0.4)
        single = replace(self.base, num_categories=1, adjustable_cosine=0.0)
        assert self.choose(worse, better, single, score=never) is better

    @pytest.mark.parametrize("changes", [{"num_categories": 3}, {"largest_fraction": 0.7}])
    def test_few_or_lopsided_ones_are_second_choice(self, changes: dict[str, float]) -> None:
        poor = replace(self.base, labels=np.arange(10), **changes)
        assert self.choose(poor, self.base, score=never) is self.base
        above = replace(self.base, adjustable_cosine=0.3)
        assert self.choose(poor, above, score=never) is poor

    def test_quality_decides_and_is_recorded(self) -> None:
        other = replace(self.base, labels=np.arange(10) % 7, num_categories=7, silhouette=-0.5)
        chosen = self.choose(self.base, other)
        assert (chosen.num_categories, chosen.quality) == (7, 6.0)

    def test_the_silhouette_breaks_a_tie(self) -> None:
        other = replace(self.base, labels=np.arange(10) % 7, num_categories=7, silhouette=0.4)
        qualities = {5: 0.9010, 7: 0.9000}
        chosen = self.choose(self.base, other, score=lambda found: [qualities[len(set(x.tolist()))] for x in found])
        assert (chosen.num_categories, chosen.quality) == (7, 0.9)

    def test_a_partition_without_a_score_is_out_of_the_running(self) -> None:
        other = replace(self.base, labels=np.arange(10) % 7, num_categories=7, silhouette=0.9)
        chosen = self.choose(self.base, other, score=lambda found: [0.5, None])
        assert (chosen.num_categories, chosen.quality) == (5, 0.5)


def test_discovery_repeats_exactly(rng: np.random.Generator) -> None:
    correlation = entangled(rng, columns=40, rank=8)
    first, second = (discover(correlation, LIMITS, score=by_number) for _ in range(2))
    np.testing.assert_array_equal(first.chosen.labels, second.chosen.labels)
    assert [c.summary() for c in first.candidates] == [c.summary() for c in second.candidates]


def test_a_summary_is_plain_numbers_and_text(rng: np.random.Generator) -> None:
    summary = discover(entangled(rng), LIMITS, score=by_number).chosen.summary()
    assert all(value is None or type(value) in (int, float, str) for value in summary.values())
    assert summary["num_categories"] >= 1


@pytest.mark.parametrize("seed", range(12))
def test_no_larger_number_under_the_target_is_overlooked_on_small_tables(seed: int) -> None:
    correlation = entangled(np.random.default_rng(seed), rank=8)
    result = discover(correlation, LIMITS, score=by_number)
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
