"""Discovery: planted blocks come back, exact numbers are exact, given categories stay, the target decides first."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spinlock.categories import discovery
from spinlock.categories.discovery import Candidate, DiscoveryLimits, discover, partition_at
from spinlock.categories.partition import groups_of
from spinlock.errors import DataError
from spinlock.metrics.centroids import max_centroid_cosine
from tests.categories.tables import entangled, planted_labels, planted_rows

LIMITS = DiscoveryLimits(target=0.25, min_features=3, max_clusters=50)
SIZES = (6, 4, 8, 5, 5)


def by_number(partitions: Sequence[np.ndarray]) -> list[float]:
    """A score that prefers more categories."""
    return [float(labels.max()) for labels in partitions]


def never(partitions: Sequence[np.ndarray]) -> list[float]:
    raise AssertionError("nothing to choose between")


def assert_sound(labels: np.ndarray, columns: int, minimum: int = 3) -> None:
    """Every column in exactly one category, numbers without a gap, none too small."""
    assert labels.shape == (columns,)
    sizes = np.bincount(labels)
    assert sizes.min() >= min(minimum, columns)
    assert sizes.sum() == columns


def test_planted_blocks_are_recovered(rng: np.random.Generator) -> None:
    found = discover(np.corrcoef(planted_rows(rng, SIZES).T), LIMITS, score=by_number)
    assert adjusted_rand_score(planted_labels(SIZES), found.chosen.labels) == 1.0
    assert found.meets_target
    assert found.chosen.silhouette > 0.5


def test_the_reported_scores_are_those_of_the_labels(rng: np.random.Generator) -> None:
    correlation = entangled(rng, columns=40, rank=8)
    found = discover(correlation, LIMITS, score=by_number)
    for candidate in found.candidates:
        groups = groups_of(candidate.labels)
        assert_sound(candidate.labels, 40)
        assert candidate.num_categories == len(groups)
        assert candidate.cosine == pytest.approx(max_centroid_cosine(correlation, groups) or 0.0)
        assert candidate.open_cosine == candidate.cosine
        assert candidate.largest_share == max(len(group) for group in groups) / 40
        assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)
    assert any(candidate is found.chosen for candidate in found.candidates)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_an_exact_number_is_exact(rng: np.random.Generator, count: int) -> None:
    correlation = entangled(rng, columns=40, rank=8)
    found = discover(correlation, replace(LIMITS, count=count), score=by_number)
    assert all(candidate.num_categories == count for candidate in found.candidates)
    assert_sound(found.chosen.labels, 40)


def test_an_exact_number_may_exceed_the_clusters_started_from(rng: np.random.Generator) -> None:
    limits = replace(LIMITS, max_clusters=2, count=5)
    assert discover(np.corrcoef(planted_rows(rng, SIZES).T), limits, score=by_number).chosen.num_categories == 5


def test_a_number_that_cannot_be_made_is_an_error_with_the_range(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match=r"num_categories_auto = 9, but clustering .* expected 1 to [2-8];"):
        discover(entangled(rng), replace(LIMITS, count=9), score=by_number)


def test_the_range_counts_what_is_discovered_beside_the_given(rng: np.random.Generator) -> None:
    given = np.full(24, -1)
    given[:12] = np.repeat([0, 1], 6)
    with pytest.raises(DataError, match=r"num_categories_auto = 9, but clustering .* expected 1 to [1-4];"):
        discover(entangled(rng), replace(LIMITS, count=9), score=by_number, given=given)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_very_few_columns_are_one_category(rng: np.random.Generator, columns: int) -> None:
    correlation = np.corrcoef(rng.standard_normal((columns, 50))).reshape(columns, columns)
    found = discover(correlation, LIMITS, score=never)
    assert found.chosen.labels.tolist() == [0] * columns
    assert not found.meets_target


def test_two_columns_may_be_two_categories(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(rng.standard_normal((2, 500)))
    found = discover(correlation, replace(LIMITS, min_features=1), score=by_number)
    assert sorted(found.chosen.labels.tolist()) == [0, 1]
    assert found.meets_target


def test_columns_that_are_nearly_the_same_make_a_partition_that_misses_the_target(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, (12,), noise=0.01).T)
    found = discover(correlation, LIMITS, score=by_number)
    assert_sound(found.chosen.labels, 12)
    assert not found.meets_target
    assert found.chosen.cosine > 0.9


def test_a_table_of_effective_rank_two_collapses_to_two_categories(rng: np.random.Generator) -> None:
    sizes = (9, 7)
    found = discover(np.corrcoef(planted_rows(rng, sizes, noise=0.05).T), LIMITS, score=by_number)
    assert found.chosen.num_categories == 2
    assert adjusted_rand_score(planted_labels(sizes), found.chosen.labels) == 1.0
    assert found.meets_target


def test_uncorrelated_and_constant_columns_do_no_harm() -> None:
    found = discover(np.eye(15), LIMITS, score=by_number)
    assert_sound(found.chosen.labels, 15)
    assert found.chosen.cosine == 0.0


class TestGiven:
    """Hybrid: some categories are given and stay as they are."""

    def test_they_stay_and_the_rest_is_discovered(self, rng: np.random.Generator) -> None:
        correlation = np.corrcoef(planted_rows(rng, SIZES).T)
        truth = planted_labels(SIZES)
        given = np.where(truth < 2, 1 - truth, -1)  # the first two blocks, numbered the other way round
        found = discover(correlation, LIMITS, score=by_number, given=given)
        for number in (0, 1):
            np.testing.assert_array_equal(found.chosen.labels == number, given == number)
        assert adjusted_rand_score(truth, found.chosen.labels) == 1.0

    @pytest.mark.parametrize("seed", range(4))
    def test_orthogonality_is_held_over_given_and_discovered(self, seed: int) -> None:
        correlation = entangled(np.random.default_rng(seed), columns=40, rank=8)
        given = np.full(40, -1)
        given[[0, 3, 5, 8]] = 0
        found = discover(correlation, LIMITS, score=by_number, given=given)
        assert found.chosen.cosine == pytest.approx(max_centroid_cosine(correlation, groups_of(found.chosen.labels)))
        np.testing.assert_array_equal(found.chosen.labels == 0, given == 0)
        assert_sound(found.chosen.labels, 40)

    def test_the_exact_number_is_of_those_discovered(self, rng: np.random.Generator) -> None:
        truth = planted_labels(SIZES)
        given = np.where(truth < 2, truth, -1)
        correlation = np.corrcoef(planted_rows(rng, SIZES).T)
        found = discover(correlation, replace(LIMITS, count=3), score=by_number, given=given)
        assert found.chosen.num_categories == 5
        assert adjusted_rand_score(truth, found.chosen.labels) == 1.0

    def test_nothing_is_left_to_discover(self, rng: np.random.Generator) -> None:
        truth = planted_labels(SIZES)
        found = discover(np.corrcoef(planted_rows(rng, SIZES).T), LIMITS, score=never, given=truth)
        np.testing.assert_array_equal(found.chosen.labels, truth)
        assert found.chosen.distance == "given"

    def test_given_categories_that_correlate_leave_the_others_their_number(self, rng: np.random.Generator) -> None:
        # No partition can mend what two given categories have in common; once it left all other columns in one.
        rows, truth = planted_rows(rng, (5, 5, *SIZES)), planted_labels((5, 5, *SIZES))
        rows[:, 5:10] += 0.5 * rows[:, :1] * np.sign(rows[:, :1] * rows[:, 5:6])  # anything the two share
        rows[:, :5] += 2.0 * rows[:, 5:6]
        correlation = np.corrcoef(rows.T)
        found = discover(correlation, LIMITS, score=by_number, given=np.where(truth < 2, truth, -1))
        assert adjusted_rand_score(truth, found.chosen.labels) == 1.0
        assert found.chosen.open_cosine < LIMITS.target < found.chosen.cosine
        assert not found.meets_target


class TestChoice:
    """Among candidates: under the target, then several and balanced, then quality, then silhouette."""

    base = Candidate(np.arange(10) % 5, "projector", 5, 0.2, 0.2, 0.2, 0, 0.3, 0.1)

    def choose(self, *found: Candidate, score: discovery.Score = by_number) -> Candidate:
        result = discovery.choose(found, 0.25, score)
        assert any(candidate is result.chosen for candidate in result.candidates)
        return result.chosen

    def test_one_under_the_target_wins_over_a_better_one_above(self) -> None:
        above = replace(self.base, labels=np.arange(10), num_categories=10, open_cosine=0.3)
        assert self.choose(above, self.base, score=never) is self.base

    def test_none_under_the_target_leaves_the_lowest_cosine(self) -> None:
        worse, better = replace(self.base, open_cosine=0.5), replace(self.base, open_cosine=0.4)
        single = replace(self.base, num_categories=1, open_cosine=0.0)
        assert self.choose(worse, better, single, score=never) is better

    @pytest.mark.parametrize("changes", [{"num_categories": 3}, {"largest_share": 0.7}])
    def test_few_or_lopsided_ones_are_second_choice(self, changes: dict[str, float]) -> None:
        poor = replace(self.base, labels=np.arange(10), **changes)
        assert self.choose(poor, self.base, score=never) is self.base
        above = replace(self.base, open_cosine=0.3)
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


def test_partition_at_comes_as_near_as_merging_passes(rng: np.random.Generator) -> None:
    correlation = np.corrcoef(planted_rows(rng, SIZES).T)
    assert partition_at(correlation, 4, "projector", LIMITS).num_categories == 4
    assert 5 <= partition_at(correlation, 99, "absolute", LIMITS).num_categories <= 9


def test_given_categories_leave_no_room_for_more_below_max_clusters(rng: np.random.Generator) -> None:
    given = np.full(24, -1)
    given[:12] = np.repeat([0, 1, 2], 4)
    with pytest.raises(DataError, match=r"max_clusters = 3, but the mapping file gives 3 categories and leaves 12"):
        discover(entangled(rng), replace(LIMITS, max_clusters=3), score=by_number, given=given)
    found = discover(entangled(rng), replace(LIMITS, max_clusters=4), score=by_number, given=given)
    assert found.chosen.num_categories == 4


@pytest.mark.parametrize("seed", range(12))
def test_no_larger_number_under_the_target_is_overlooked_on_small_tables(seed: int) -> None:
    correlation = entangled(np.random.default_rng(seed), rank=8)
    found = discover(correlation, LIMITS, score=by_number)
    under = [
        candidate
        for kind in ("projector", "absolute")
        for candidate in (partition_at(correlation, count, kind, LIMITS) for count in range(2, 9))
        if candidate.cosine < LIMITS.target and candidate.num_categories > 1
    ]
    few, large = discovery.MIN_CATEGORIES, discovery.MAX_CATEGORY_SHARE
    balanced = [c for c in under if c.num_categories >= few and c.largest_share <= large]
    assert found.meets_target == bool(under)
    if balanced or under:
        assert found.chosen.num_categories == max(c.num_categories for c in balanced or under)
