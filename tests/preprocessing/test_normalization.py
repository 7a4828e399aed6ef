"""Normalization methods against their definitions, inverses and states."""

import math

import numpy as np
import pytest
from scipy.stats import kurtosis, norm, rankdata
from scipy.stats import t as student_t

from spinlock.preprocessing.knots import normal_scores
from spinlock.preprocessing.normalization import MAX_KNOTS, METHODS, RankGauss, Robust, Standard, from_state
from spinlock.preprocessing.tails import Auto
from spinlock.preprocessing.wide_gaps import add_knots_in_gaps


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Gaussian, exponential, Cauchy, integer and two-valued columns [500, 5]."""
    return np.stack(
        [
            rng.standard_normal(500),
            rng.exponential(size=500),
            rng.standard_cauchy(500),
            rng.integers(0, 9, 500).astype(float),
            (rng.random(500) < 0.1).astype(float),
        ],
        axis=1,
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_an_inverse_and_is_reproduced_from_its_state(method: str, x: np.ndarray) -> None:
    fitted = METHODS[method].fit(x)
    z = fitted.transform(x)
    np.testing.assert_allclose(fitted.inverse(z), x, rtol=1e-9, atol=1e-9)
    again = from_state(fitted.state())
    assert np.array_equal(again.transform(x), z)
    assert np.array_equal(again.inverse(z), fitted.inverse(z))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_strictly_increasing_in_each_column(method: str, x: np.ndarray) -> None:
    z = METHODS[method].fit(x).transform(x)
    for column in range(x.shape[1]):
        order = np.argsort(x[:, column], kind="stable")
        rises = np.diff(x[order, column]) > 0
        assert (np.diff(z[order, column])[rises] > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_concatenated_normalizers_equal_one_for_all_columns(method: str, x: np.ndarray) -> None:
    kind = METHODS[method]
    joined = kind.concatenate([kind.fit(x[:, :2]), kind.fit(x[:, 2:])])
    assert np.array_equal(joined.transform(x), kind.fit(x).transform(x))


@pytest.mark.parametrize("method", METHODS)
def test_the_scales_of_linear_columns_are_those_of_the_linear_function(method: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4001, 3)) * [1.0, 1e-3, 1e6] + [0.0, 5.0, -1e8]
    scales = METHODS[method].fit(x).scales()
    np.testing.assert_allclose((scales.center - [0.0, 5.0, -1e8]) / scales.scale, 0, atol=0.05)
    np.testing.assert_allclose(scales.scale, [1.0, 1e-3, 1e6], rtol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_the_center_becomes_zero(method: str, x: np.ndarray) -> None:
    fitted = METHODS[method].fit(x)
    np.testing.assert_allclose(fitted.transform(fitted.scales().center[None]), 0, atol=1e-9)


def test_the_scale_of_two_values_is_exact_although_no_value_becomes_minus_one() -> None:
    two = np.repeat([[3.0], [7.0]], [990, 10], axis=0)
    scales = RankGauss.fit(two).scales()
    np.testing.assert_allclose([scales.center[0], scales.scale[0]], [two.mean(), two.std()], rtol=1e-9)


def test_standard_has_zero_mean_and_unit_variance(x: np.ndarray) -> None:
    z = Standard.fit(x).transform(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0), 1)


def test_robust_uses_median_and_interquartile_range(x: np.ndarray) -> None:
    fitted = Robust.fit(x)
    lower, median, upper = np.percentile(x, [25, 50, 75], axis=0)
    np.testing.assert_allclose(fitted.center, median)
    np.testing.assert_allclose(fitted.scale[:4], (upper - lower)[:4] / 1.349)
    np.testing.assert_allclose(fitted.scale[4], x[:, 4].std())


def test_robust_unit_of_a_gaussian_is_its_standard_deviation() -> None:
    quantiles = norm.ppf((np.arange(100_000) + 0.5) / 100_000)[:, None] * 3 + 7
    fitted = Robust.fit(quantiles)
    np.testing.assert_allclose([fitted.center[0], fitted.scale[0]], [7, 3], rtol=1e-3)


def test_robust_uses_the_standard_deviation_if_the_iqr_is_nearly_zero() -> None:
    x = np.concatenate([np.linspace(0, 1e-9, 80), np.linspace(1, 2, 20)])[:, None]
    assert Robust.fit(x).scale[0] == x.std()


def test_rank_gauss_gives_the_normal_scores_of_mean_ranks(x: np.ndarray) -> None:
    z = RankGauss.fit(x).transform(x)
    for column in range(x.shape[1]):
        scores = norm.ppf((rankdata(x[:, column]) - 0.5) / len(x))
        np.testing.assert_allclose(z[:, column], (scores - scores.mean()) / scores.std(), atol=1e-9)


def test_rank_gauss_of_two_values_is_the_z_score(x: np.ndarray) -> None:
    two = x[:, 4:]
    np.testing.assert_allclose(RankGauss.fit(two).transform(two), Standard.fit(two).transform(two), atol=1e-9)


def test_rank_gauss_thins_knots_and_stays_accurate(rng: np.random.Generator) -> None:
    x = rng.standard_cauchy((20_000, 1))
    fitted = RankGauss.fit(x)
    assert fitted.knots.counts[0] <= MAX_KNOTS + 2
    z = fitted.transform(x)
    scores = norm.ppf((rankdata(x) - 0.5) / len(x))
    np.testing.assert_allclose(z[:, 0], scores, atol=0.02)
    np.testing.assert_allclose(fitted.inverse(z), x, rtol=1e-8, atol=1e-9)


def test_rank_gauss_is_constant_outside_the_training_range(x: np.ndarray) -> None:
    fitted = RankGauss.fit(x)
    ends = fitted.transform(np.stack([x.min(axis=0), x.max(axis=0)]))
    assert np.array_equal(fitted.transform(np.stack([x.min(axis=0) - 5, x.max(axis=0) + 5])), ends)
    np.testing.assert_allclose(fitted.inverse(np.full((1, 5), 100.0))[0], x.max(axis=0))


@pytest.mark.parametrize("method", METHODS)
def test_values_near_the_float32_limit_have_finite_scores(method: str, rng: np.random.Generator) -> None:
    x = rng.uniform(-3.4e38, 3.4e38, (200, 3))
    z = METHODS[method].fit(x).transform(x)
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 10


def test_auto_standardizes_columns_with_light_tails(x: np.ndarray) -> None:
    fitted = Auto.fit(x)
    assert np.array_equal(fitted.heavy, kurtosis(x, axis=0, fisher=False) > 4)
    assert (fitted.heavy[2], fitted.heavy[0]) == (True, False)
    light = ~fitted.heavy
    assert np.array_equal(fitted.transform(x)[:, light], Standard.fit(x).transform(x)[:, light])
    assert not fitted.standardizes
    assert Auto.fit(x[:, light]).standardizes


def test_auto_weights_z_score_and_normal_score_by_the_kurtosis(rng: np.random.Generator) -> None:
    column = rng.standard_cauchy(200)

    def standardized(z: np.ndarray) -> np.ndarray:
        return (z - z.mean()) / z.std()

    score = standardized(norm.ppf((rankdata(column) - 0.5) / 200))
    z = Auto.fit(column[:, None]).transform(column[:, None])[:, 0]
    weight = 1 - math.sqrt(4 / kurtosis(column, fisher=False))
    assert 0.5 < weight < 1
    np.testing.assert_allclose(z, standardized((1 - weight) * standardized(column) + weight * score), atol=1e-12)


def test_auto_is_nearly_continuous_at_the_limit_of_the_kurtosis() -> None:
    """A column whose kurtosis is just above the limit has nearly its z-score."""
    column = student_t(df=12).ppf((np.arange(3000) + 0.5) / 3000)
    assert 3.5 < kurtosis(column, fisher=False) < 4
    column[-1] *= 1.6
    assert 4 < kurtosis(column, fisher=False) < 4.6
    fitted = Auto.fit(column[:, None])
    assert fitted.heavy[0]
    z_scores = Standard.fit(column[:, None]).transform(column[:, None])
    assert np.abs(fitted.transform(column[:, None]) - z_scores)[:-1].max() < 0.2


def test_a_few_extreme_rows_do_not_set_the_scale_of_a_column(rng: np.random.Generator) -> None:
    column = rng.standard_normal(1000)
    column[:3] = 1e9
    z = Auto.fit(column[:, None]).transform(column[:, None])[:, 0]
    assert z[3:].std() > 0.4
    assert Standard.fit(column[:, None]).transform(column[:, None])[3:, 0].std() < 1e-6


def test_a_column_that_is_mostly_one_value_has_finite_knots() -> None:
    column = np.zeros(500)
    column[:10] = np.arange(1, 11)
    fitted = Auto.fit(column[:, None])
    z = fitted.transform(column[:, None])
    assert np.isfinite(z).all()
    np.testing.assert_allclose(fitted.inverse(z)[:, 0], column, atol=1e-12)


def test_a_small_error_does_not_decode_an_ordinary_value_as_an_extreme_one(rng: np.random.Generator) -> None:
    """Across the gap between values of order 1 and 1e9, a linear function would give up to 1e8."""
    column = np.concatenate([rng.standard_normal(2990), 1e9 * (1 + 0.1 * rng.standard_normal(10))])[:, None]
    fitted = Auto.fit(column)
    z = fitted.transform(column)
    np.testing.assert_allclose(fitted.inverse(z), column, rtol=1e-9)
    decoded = fitted.inverse(z + 0.1 * rng.standard_normal(z.shape))
    assert np.abs(decoded[:2990]).max() < 20
    assert decoded[2990:].min() > 1e7


def test_gaps_at_both_ends_and_between_two_groups_of_values_are_bent(rng: np.random.Generator) -> None:
    groups = [rng.standard_normal(20) - 1e8, rng.standard_normal(1000), rng.standard_normal(20) + 1e8]
    column = np.concatenate(groups)
    curve = normal_scores(column, 2000)
    values, z = add_knots_in_gaps(curve, column)
    assert len(values) == len(curve[0]) + 2 * 15
    assert (np.diff(values) > 0).all()
    assert (np.diff(z) > 0).all()
    np.testing.assert_array_equal(np.interp(curve[0], values, z), curve[1])
    first = z[np.searchsorted(values, column[20:-20].max())]
    for fraction, limit in ((0.1, 10), (0.4, 1e7)):
        gap = curve[1][-20] - first
        assert abs(np.interp(first + fraction * gap, z, values)) < limit
        assert abs(np.interp(first + (1 - fraction) * gap, z, values) - 1e8) < limit


def test_a_column_without_a_wide_gap_has_no_more_knots(rng: np.random.Generator) -> None:
    for column in (rng.standard_normal(2000), rng.exponential(size=2000), rng.standard_t(3, 2000)):
        curve = normal_scores(column, 3000)
        np.testing.assert_array_equal(add_knots_in_gaps(curve, column)[0], curve[0])
