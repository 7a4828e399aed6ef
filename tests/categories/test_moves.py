"""Moves of single columns: gains against brute force, and results against the exact metric."""

import numpy as np
import pytest

from spinlock.categories import move_gains
from spinlock.categories.centroids import Centroids
from spinlock.categories.clustering import ward_labels
from spinlock.categories.move_gains import MoveGains
from spinlock.categories.moves import MIN_MOVES_FOR_EARLY_END, MoveResult, _improve, decorrelate
from spinlock.categories.partition import groups_of
from spinlock.metrics.centroids import centroid_cosines, centroid_weights, max_centroid_cosine
from tests.categories.tables import correlated_table

LIMIT = 0.2


def penalty(correlation: np.ndarray, weights: np.ndarray) -> float:
    """Sum over pairs of relu(|cos| - limit)^2."""
    cosine = centroid_cosines(correlation, weights)
    return float(np.square(np.maximum(cosine[np.triu_indices(len(cosine), 1)] - LIMIT, 0)).sum())


def brute_force_gains(
    correlation: np.ndarray, labels: np.ndarray, minimum: int, fixed: int
) -> dict[tuple[int, int], float]:
    """{(column, target): gain} of every allowed move. All cosines are recomputed for each move."""
    weights = centroid_weights(correlation, groups_of(labels))
    start, cosine = penalty(correlation, weights), centroid_cosines(correlation, weights)
    gains = {}
    for column, source in enumerate(labels):
        in_conflict = (cosine[source] > LIMIT).any()
        if source < fixed or (labels == source).sum() <= minimum or not in_conflict:
            continue
        for target in range(fixed, len(weights)):
            if target != source:
                moved = weights.copy()
                moved[source, column] = 0.0
                moved[target, column] = -1.0 if weights[target] @ correlation[:, column] < 0 else 1.0
                gains[column, target] = start - penalty(correlation, moved)
    return gains


def gains_of(state: Centroids, minimum: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return MoveGains(LIMIT, minimum)(state)


@pytest.mark.parametrize("fixed", [0, 1])
@pytest.mark.parametrize("seed", range(8))
def test_every_gain_equals_brute_force(seed: int, fixed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed), columns=14, rank=4)
    labels = ward_labels(correlation, 4, "projector")
    expected = brute_force_gains(correlation, labels, 2, fixed)
    columns, gains = gains_of(Centroids.from_labels(correlation, labels, fixed))
    allowed = {(int(columns[i]), int(target)) for i, target in np.argwhere(gains > -np.inf)}
    assert allowed == set(expected)
    for (column, target), gain in expected.items():
        assert gains[np.flatnonzero(columns == column)[0], target] == pytest.approx(gain, abs=1e-10)


@pytest.mark.parametrize("max_stored", [0, 1 << 23])
@pytest.mark.parametrize("seed", range(4))
def test_gains_that_follow_moves_equal_those_of_the_new_partition(
    monkeypatch: pytest.MonkeyPatch, seed: int, max_stored: int
) -> None:
    monkeypatch.setattr(move_gains, "MAX_STORED_ELEMENTS", max_stored)
    correlation = correlated_table(np.random.default_rng(seed), columns=30, rank=6)
    here, gains = Centroids.from_labels(correlation, np.arange(30) % 5, 1), MoveGains(LIMIT, 2)
    for column, target in ((1, 2), (7, 3), (1, 4), (29, 1), (7, 2)):
        gains(here)
        here = here.with_move(column, target)
        columns, followed = gains(here)
        expected_columns, expected = gains_of(here)
        np.testing.assert_array_equal(columns, expected_columns)
        np.testing.assert_array_equal(followed, expected)  # bit for bit, because equal gains are tried in order


def test_a_move_of_a_bundle_has_the_gain_of_its_signed_sum(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((200, 4)) @ rng.standard_normal((4, 20)) + 0.5 * rng.standard_normal((200, 20))
    sums = rows * rng.uniform(1, 3, 20)
    products, labels = sums.T @ sums, np.arange(20) % 4
    columns, gains = MoveGains(LIMIT, 1)(Centroids.from_labels(products, labels, sizes=np.full(20, 2.0)))
    for (column, target), gain in brute_force_gains(products, labels, 1, 0).items():
        assert gains[np.flatnonzero(columns == column)[0], target] == pytest.approx(gain, abs=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_centroids_after_a_move_equal_those_of_the_new_partition(seed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed), columns=14, rank=4)
    here = Centroids.from_labels(correlation, np.arange(14) % 4)
    for column, target in ((0, 1), (5, 3), (0, 2), (13, 0)):
        here = here.with_move(column, target)
        recomputed = Centroids.from_labels(correlation, here.labels)
        assert here.labels[column] == target
        for name in ("weights", "column_covariance", "products"):
            np.testing.assert_allclose(getattr(here, name), getattr(recomputed, name), atol=1e-10, err_msg=name)


def moved(correlation: np.ndarray, labels: np.ndarray, **changes: float) -> MoveResult:
    settings = {"limit": LIMIT, "min_features": 3, "max_moves": 12} | changes
    return decorrelate(correlation, labels, **settings)


@pytest.mark.parametrize("seed", range(6))
def test_the_reported_cosine_is_exact_and_not_above_the_initial_one(seed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed))
    labels = ward_labels(correlation, 5, "projector")
    result = moved(correlation, labels, min_features=2)
    assert result.cosine == pytest.approx(max_centroid_cosine(correlation, groups_of(result.labels)), abs=1e-12)
    assert result.cosine <= max_centroid_cosine(correlation, groups_of(labels))


def test_moves_reduce_the_cosine_below_the_limit() -> None:
    improved = 0
    for seed in range(10):
        correlation = correlated_table(np.random.default_rng(seed), columns=40, rank=8)
        labels = ward_labels(correlation, 4, "projector")
        result = moved(correlation, labels, limit=0.3, max_moves=20)
        improved += result.moves > 0 and result.cosine <= 0.3
    assert improved >= 3


@pytest.mark.parametrize("seed", range(6))
def test_each_move_lowers_the_exact_penalty(seed: int) -> None:
    # The signs of the weights must be updated at each move. With outdated signs the exact penalty increases.
    correlation = correlated_table(np.random.default_rng(seed), columns=40, rank=8)
    here = Centroids.from_labels(correlation, ward_labels(correlation, 5, "absolute"))
    penalties = [here.penalty(LIMIT)]
    while (further := _improve(here, LIMIT, MoveGains(LIMIT, 2))) is not None and len(penalties) < 15:
        here = further
        exact = centroid_weights(correlation, groups_of(here.labels))
        assert here.penalty(LIMIT) == pytest.approx(penalty(correlation, exact), abs=1e-10)
        penalties.append(here.penalty(LIMIT))
    assert len(penalties) > 1
    assert (np.diff(penalties) < 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_no_category_becomes_smaller_than_the_minimum(seed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed), columns=30, rank=7)
    labels = np.repeat(np.arange(6), 5)
    result = moved(correlation, labels, min_features=4, max_moves=30)
    assert result.moves <= 30
    assert np.bincount(result.labels, minlength=6).min() >= 4


@pytest.mark.parametrize("seed", range(6))
def test_fixed_categories_do_not_change(seed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed), columns=30, rank=7)
    labels = np.repeat(np.arange(6), 5)
    result = moved(correlation, labels, num_fixed=2, min_features=2, max_moves=30)
    np.testing.assert_array_equal(labels < 2, result.labels < 2)
    np.testing.assert_array_equal(labels[:10], result.labels[:10])


def test_a_partition_below_the_limit_does_not_change(rng: np.random.Generator) -> None:
    correlation = correlated_table(rng)
    labels = ward_labels(correlation, 5, "projector")
    before = labels.copy()
    result = moved(correlation, labels, limit=1.0)
    np.testing.assert_array_equal(result.labels, before)
    assert result.moves == 0


def test_zero_moves_or_one_category_change_nothing(rng: np.random.Generator) -> None:
    correlation = correlated_table(rng)
    labels = ward_labels(correlation, 5, "projector")
    np.testing.assert_array_equal(moved(correlation, labels, max_moves=0).labels, labels)
    single = moved(correlation, np.zeros(24, dtype=np.int64))
    assert (single.moves, single.cosine) == (0, 0.0)


@pytest.mark.parametrize(("columns", "seed"), [(24, 11), (40, 4)])
def test_a_short_search_is_not_ended_early_by_slow_progress(columns: int, seed: int) -> None:
    correlation = correlated_table(np.random.default_rng(seed), columns=columns, rank=8)
    labels = ward_labels(correlation, 4, "projector")
    assert moved(correlation, labels, limit=0.235, max_moves=MIN_MOVES_FOR_EARLY_END - 1).cosine <= 0.235


def test_a_long_search_with_slow_progress_is_ended_early(rng: np.random.Generator) -> None:
    correlation = correlated_table(rng, columns=200, rank=3, noise=0.05)
    labels = ward_labels(correlation, 12, "projector")
    assert moved(correlation, labels, limit=0.05, max_moves=120).moves < 60


def test_cosines_between_fixed_categories_are_ignored(rng: np.random.Generator) -> None:
    correlation = correlated_table(rng, columns=40, rank=8)
    labels = ward_labels(correlation, 5, "projector")
    here = Centroids.from_labels(correlation, labels, 2)
    cosine = centroid_cosines(correlation, centroid_weights(correlation, groups_of(labels)))
    cosine[0, 1] = cosine[1, 0] = 0.0
    np.testing.assert_allclose(here.cosines(), cosine, atol=1e-12)
    assert here.max_cosine() == pytest.approx(cosine.max())
