"""Cleaning of tables: dropped columns, imputation, clipping, normalization and its inverse."""

from dataclasses import replace

import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.preprocessing.cleaning import MAX_BLOCK_CELLS, MAX_BLOCK_ROWS, MIN_BLOCK_ROWS, Cleaner
from spinlock.preprocessing.normalization import METHODS
from tests.tables import Rules, low_rank_table

NAMES = ("plain", "half", "empty", "constant", "copy", "skewed", "rare")


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Training rows [600, 7] with one column of each kind, some cells NaN or infinite."""
    plain, skewed = rng.standard_normal(600), rng.exponential(size=600)
    half = rng.standard_normal(600)
    half[:400] = np.nan
    rare = np.zeros(600)
    rare[:2] = 1
    columns = [plain, half, np.full(600, np.nan), np.full(600, 4.0), 2 * plain + 1, skewed, rare]
    table = np.stack(columns, axis=1).astype(np.float32)
    table[10, 5], table[11, 5] = np.nan, -np.inf
    return table


@pytest.fixture
def cleaner(x: np.ndarray) -> Cleaner:
    return Cleaner.fit(x, NAMES, Rules())


def fit_cleaner(x: np.ndarray, **rules: object) -> Cleaner:
    return Cleaner.fit(x, [f"c{j}" for j in range(x.shape[1])], Rules(**rules))


def test_dropped_columns_are_reported_with_their_reasons(cleaner: Cleaner) -> None:
    assert cleaner.kept.tolist() == [0, 5]
    assert cleaner.kept_names == ("plain", "skewed")
    assert cleaner.dropped == {
        "half": "missing in 66.7% of the rows",
        "empty": "missing in every training row",
        "constant": "constant: 4",
        "copy": "duplicates plain (r = +1.000000)",
        "rare": "near-constant: 0 in 99.67% of the rows",
    }


def test_dropped_columns_are_grouped_by_the_kind_of_reason(cleaner: Cleaner, x: np.ndarray) -> None:
    groups = cleaner.dropped_by_reason()
    assert groups == {"missing": ("half", "empty"), "constant": ("constant", "rare"), "duplicate": ("copy",)}
    assert list(groups) == ["missing", "constant", "duplicate"]
    assert Cleaner.from_state(cleaner.state()).dropped_by_reason() == groups
    assert fit_cleaner(x[:, [0, 4, 5]]).dropped_by_reason() == {"duplicate": ("c1",)}
    assert fit_cleaner(x[:, [0, 5]]).dropped_by_reason() == {}


def test_values_are_imputed_clipped_and_scaled(cleaner: Cleaner, x: np.ndarray) -> None:
    skewed = x[:, 5].astype(np.float64)
    finite = np.isfinite(skewed)
    lower, median, upper = np.percentile(skewed[finite], [0.1, 50, 99.9])
    clipped = np.where(finite, skewed, median).clip(lower, upper)
    cleaned = cleaner.transform(x)
    np.testing.assert_allclose(cleaned.values[:, 1], (clipped - clipped.mean()) / clipped.std(), rtol=1e-5, atol=1e-6)
    assert cleaned.values.dtype == np.float32
    np.testing.assert_allclose(cleaner.mean[1], clipped.mean())
    np.testing.assert_allclose(cleaner.std[1], clipped.std())


def test_imputed_and_clipped_cells_are_counted_in_each_row(cleaner: Cleaner) -> None:
    rows = np.zeros((4, 7), np.float32)
    rows[:, 5] = 1.0
    rows[1, 5] = np.nan
    rows[2] = 1e9
    rows[3, 0], rows[3, 5] = np.inf, -1e9
    cleaned = cleaner.transform(rows)
    assert cleaned.imputed.tolist() == [0, 0.5, 0, 0.5]
    assert cleaned.clipped.tolist() == [0, 0, 1, 0.5]


def test_inverse_transform_undoes_transform_and_fills_every_column(cleaner: Cleaner, x: np.ndarray) -> None:
    restored = cleaner.inverse_transform(cleaner.transform(x).values)
    inside = (x[:, 0] > cleaner.screening.lower[0]) & (x[:, 0] < cleaner.screening.upper[0])
    np.testing.assert_allclose(restored[inside, 0], x[inside, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(restored[inside, 4], x[inside, 4], rtol=1e-5, atol=1e-5)
    assert np.isnan(restored[:, 2]).all()
    assert (restored[:, 3] == 4).all()
    assert (restored[:, 6] == 0).all()
    np.testing.assert_allclose(restored[:, 1], np.nanmedian(x[:, 1]))
    np.testing.assert_allclose(restored[10, 5], np.median(x[np.isfinite(x[:, 5]), 5]), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_results_do_not_depend_on_the_batch_size(x: np.ndarray, method: str) -> None:
    cleaner = fit_cleaner(x, normalization_method=method)
    whole = cleaner.transform(x)
    for size in (1, 7, 256):
        parts = [cleaner.transform(x[start : start + size]) for start in range(0, len(x), size)]
        assert np.array_equal(np.concatenate([p.values for p in parts]), whole.values)
        assert np.array_equal(np.concatenate([p.imputed for p in parts]), whole.imputed)
        assert np.array_equal(np.concatenate([p.clipped for p in parts]), whole.clipped)


@pytest.mark.parametrize("method", METHODS)
def test_to_z_scores_is_the_same_for_any_normalization(x: np.ndarray, method: str) -> None:
    cleaner = fit_cleaner(x, normalization_method=method)
    expected = fit_cleaner(x).transform(x).values
    np.testing.assert_allclose(cleaner.to_z_scores(cleaner.transform(x).values), expected, atol=2e-5)


def test_z_scores_of_all_columns_mark_unobserved_cells(cleaner: Cleaner, x: np.ndarray) -> None:
    standardized = cleaner.z_scores_of_all_columns(x)
    np.testing.assert_allclose(standardized.values[:, cleaner.kept], cleaner.transform(x).values, atol=1e-6)
    assert np.array_equal(standardized.observed[:, 1], np.isfinite(x[:, 1]))
    assert standardized.observed.any(axis=0).tolist() == [True, True, False, False, True, True, True]
    half = standardized.values[standardized.observed[:, 1], 1].astype(np.float64)
    np.testing.assert_allclose([half.mean(), half.std()], [0, 1], atol=1e-6)
    assert np.isfinite(standardized.values).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_state_reproduces_the_cleaner_exactly(x: np.ndarray, method: str) -> None:
    cleaner = fit_cleaner(x, normalization_method=method)
    state = cleaner.state()
    assert_plain(state)
    again = Cleaner.from_state(state)
    values = cleaner.transform(x).values
    assert np.array_equal(again.transform(x).values, values)
    assert np.array_equal(again.inverse_transform(values), cleaner.inverse_transform(values), equal_nan=True)
    assert np.array_equal(again.z_scores_of_all_columns(x).values, cleaner.z_scores_of_all_columns(x).values)
    assert (again.names, again.dropped, again.duplicates) == (cleaner.names, cleaner.dropped, cleaner.duplicates)


def assert_plain(value: object) -> None:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            assert_plain(item)
    elif isinstance(value, np.ndarray):
        assert value.dtype.kind in "fi"
    else:
        assert type(value) in (str, int, float)


@pytest.mark.parametrize("method", METHODS)
def test_finite_values_near_the_float32_limit_survive_a_round_trip(rng: np.random.Generator, method: str) -> None:
    x = rng.uniform(-3.4e38, 3.4e38, (200, 4)).astype(np.float32)
    cleaner = fit_cleaner(x, normalization_method=method, clip_lower_percentile=0.0, clip_upper_percentile=100.0)
    values = cleaner.transform(x).values
    assert np.isfinite(values).all()
    np.testing.assert_allclose(cleaner.inverse_transform(values), x, rtol=1e-4, atol=1e33)
    assert np.isfinite(cleaner.inverse_transform(values * 10)).all()


def test_an_unusable_table_is_an_error_that_names_the_reason(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="the training rows contain no finite value"):
        fit_cleaner(np.full((40, 3), np.nan, np.float32))
    with pytest.raises(DataError, match=r"only 0 of 3 columns can be used \(3 constant\)"):
        fit_cleaner(np.ones((40, 3), np.float32))
    a = rng.standard_normal(40).astype(np.float32)
    with pytest.raises(DataError, match=r"only 1 of 3 columns can be used \(1 constant, 1 duplicate\)"):
        fit_cleaner(np.stack([a, a, np.ones_like(a)], axis=1))


@pytest.mark.parametrize(
    ("columns", "block_rows"),
    [(30, MAX_BLOCK_ROWS), (MAX_BLOCK_CELLS // 200, 200), (MAX_BLOCK_CELLS // 20, MIN_BLOCK_ROWS)],
)
def test_rows_are_cleaned_in_blocks_of_limited_size(rng: np.random.Generator, columns: int, block_rows: int) -> None:
    cleaner = Cleaner.fit(low_rank_table(rng, 1024, 3, 3), ["a", "b", "c"], Rules())
    kept = np.zeros(columns, dtype=np.int64)  # the first column many times
    blocks: list[int] = []

    class Recording:
        def transform(self, x: np.ndarray) -> np.ndarray:
            blocks.append(len(x))
            return cleaner.normalizer.transform(x[:, [0, 0, 0]])[:, :1].repeat(columns, axis=1)

    x = low_rank_table(rng, 1000, 3, 3)
    values = replace(cleaner, kept=kept, normalizer=Recording()).transform(x).values
    assert blocks == [block_rows] * (1000 // block_rows) + [1000 % block_rows] * (1000 % block_rows > 0)
    assert np.array_equal(values[:, -1], cleaner.transform(x).values[:, 0])


def test_decoding_keeps_the_bulk_of_a_column_with_outliers_and_an_offset(rng: np.random.Generator) -> None:
    x = np.column_stack([1e6 + 1e-3 * rng.standard_normal(2000), rng.standard_normal((2000, 2))])
    x[:100, 0] = 1e9 * rng.random(100)
    cleaner = Cleaner.fit(x, ["a", "b", "c"], Rules(normalization_method="auto"))
    assert cleaner.raw_dtype == np.float64
    restored = cleaner.inverse_transform(cleaner.transform(x).values)
    bulk = np.abs(x[:, 0] - 1e6) < 0.01
    assert np.median(np.abs(x[bulk, 0] - restored[bulk, 0])) < 1e-5
