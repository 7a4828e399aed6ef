"""Statistics of columns, and the reasons for which columns are dropped."""

import numpy as np
import pytest

from spinlock.preprocessing.column_statistics import quantiles, screen
from tests.tables import Rules


def screen_column(values: np.ndarray, **rules: float) -> tuple:
    """The screening of one column, and the reason for which it is dropped."""
    screening = screen(np.asarray(values, np.float32)[:, None], Rules(**rules))
    reason = screening.reasons.get(0)
    return screening, reason.text if reason else ""


def test_quantiles_equal_those_of_numpy(rng: np.random.Generator) -> None:
    for rows in (1, 2, 7, 1000):
        x = np.sort(rng.standard_normal(rows))
        np.testing.assert_allclose(quantiles(x, (0, 0.1, 50, 99.9, 100)), np.percentile(x, [0, 0.1, 50, 99.9, 100]))


def test_statistics_use_imputed_and_clipped_cells(rng: np.random.Generator) -> None:
    x = rng.standard_normal((400, 70)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[3, :5] = np.inf
    screening = screen(x, Rules())
    finite = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    median, lower, upper = np.nanpercentile(finite, [50, 0.1, 99.9], axis=0)
    clipped = np.where(np.isfinite(x), x.astype(np.float64), median).clip(lower, upper)
    np.testing.assert_allclose(screening.median, median)
    np.testing.assert_allclose(screening.lower, lower)
    np.testing.assert_allclose(screening.upper, upper)
    np.testing.assert_allclose(screening.mean, clipped.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(screening.std, clipped.std(axis=0))
    assert np.array_equal(screening.missing, (~np.isfinite(x)).sum(axis=0))
    assert screening.reasons == {}


@pytest.mark.parametrize(("missing", "dropped"), [(500, False), (501, True), (1000, True)])
def test_a_column_is_dropped_if_more_than_half_is_missing(
    rng: np.random.Generator, missing: int, dropped: bool
) -> None:
    x = rng.standard_normal(1000)
    x[:missing] = np.where(np.arange(missing) % 2, np.nan, np.inf)
    assert ("missing in" in screen_column(x)[1]) == dropped


def test_the_reason_of_a_missing_column_gives_the_missing_fraction() -> None:
    x = np.arange(1000.0)
    x[:600] = np.nan
    assert screen_column(x)[1] == "missing in 60.0% of the rows"
    screening, reason = screen_column(np.full(10, np.nan))
    assert reason == "missing in every training row"
    assert np.isnan([screening.median[0], screening.mean[0], screening.std[0]]).all()


@pytest.mark.parametrize(("same", "dropped"), [(994, False), (995, True), (999, True), (1000, True)])
def test_a_column_is_dropped_if_one_value_has_at_least_99_5_percent(same: int, dropped: bool) -> None:
    x = np.arange(1000.0)
    x[-same:] = -5.0
    assert ("constant" in screen_column(x)[1]) == dropped


def test_the_reason_of_a_constant_column_gives_value_and_fraction() -> None:
    assert screen_column(np.full(100, 2.5))[1] == "constant: 2.5"
    assert screen_column(np.array([0.0] * 998 + [1.0, 2.0]))[1] == "near-constant: 0 in 99.80% of the rows"


def test_imputed_cells_count_as_the_median() -> None:
    x = np.array([7.0] * 600 + [np.nan] * 396 + [1.0, 2.0, 8.0, 9.0])
    assert "near-constant: 7 in 99.60%" in screen_column(x)[1]
    x = np.array([1.0] * 300 + [2.0] * 300 + [np.nan] * 400)
    assert screen_column(x)[1] == ""


def test_a_column_that_is_constant_after_clipping_has_its_own_reason() -> None:
    x = np.array([0.0] * 990 + list(range(1, 11)))
    screening, reason = screen_column(x, max_constant_fraction=0.995, clip_upper_percentile=98.0)
    assert reason == "constant after clipping: 0"
    assert screening.std[0] == 0


def test_dropped_columns_have_the_moments_of_their_observed_cells(rng: np.random.Generator) -> None:
    x = rng.standard_normal(1000).astype(np.float32)
    x[:900] = np.nan
    screening, _ = screen_column(x, clip_lower_percentile=0, clip_upper_percentile=100)
    np.testing.assert_allclose(screening.std[0], x[900:].astype(np.float64).std())


def test_values_near_the_float32_limit_do_not_overflow() -> None:
    x = np.linspace(-3.4e38, 3.4e38, 1001)
    screening, reason = screen_column(x)
    assert reason == ""
    np.testing.assert_allclose(screening.std[0], x.astype(np.float32).astype(np.float64).std(), rtol=1e-3)
