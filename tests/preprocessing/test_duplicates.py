"""Duplicate columns: detection by correlation, and reconstruction."""

import numpy as np
import pytest

from spinlock.preprocessing import duplicates
from spinlock.preprocessing.cleaning import Cleaner
from tests.tables import Rules


def fit(x: np.ndarray, **rules: float) -> Cleaner:
    return Cleaner.fit(x.astype(np.float32), [f"c{j}" for j in range(x.shape[1])], Rules(**rules))


@pytest.mark.parametrize("block", [1, 4, 6, 100])
def test_correlated_pairs_equal_pearson_for_any_blocks(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(duplicates, "BLOCK_COLUMNS", block)
    x = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6))
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = np.corrcoef(x.T)
    threshold = float(np.median(np.abs(expected)))
    pairs = duplicates.correlated_pairs(lambda: [z[:7], z[7:250], z[250:]], 6, threshold)
    for column in range(6):
        earlier = np.flatnonzero(np.abs(expected[column, :column]) >= threshold)
        assert (column in pairs) == bool(earlier.size)
        if earlier.size:
            np.testing.assert_array_equal(pairs[column].positions, earlier)
            np.testing.assert_allclose(pairs[column].r, expected[column, earlier], atol=1e-12)


def test_the_first_of_several_copies_is_kept(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 400))
    cleaner = fit(np.stack([a, b, a, -3 * a + 2, b], axis=1))
    assert cleaner.kept.tolist() == [0, 1]
    assert cleaner.dropped == {
        "c2": "duplicates c0 (r = +1.000000)",
        "c3": "duplicates c0 (r = -1.000000)",
        "c4": "duplicates c1 (r = +1.000000)",
    }


def test_columns_above_the_threshold_are_duplicates(rng: np.random.Generator) -> None:
    a, noise = rng.standard_normal((2, 5000))
    noise -= a * (a @ noise) / (a @ a)
    noise *= np.linalg.norm(a) / np.linalg.norm(noise)
    for r, dropped in ((0.99985, 0), (0.99995, 1)):
        x = np.stack([a, r * a + np.sqrt(1 - r * r) * noise, rng.standard_normal(5000)], axis=1)
        cleaner = fit(x, clip_lower_percentile=0.0, clip_upper_percentile=100.0)
        assert len(cleaner.dropped) == dropped
        assert len(fit(x, duplicate_correlation=0.99).dropped) == 1


def test_identical_columns_are_duplicates_at_a_threshold_of_one(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 1001)) * 1e30
    assert fit(np.stack([a, b, a], axis=1), duplicate_correlation=1.0).kept.tolist() == [0, 1]


def test_duplicates_are_restored_from_their_original(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 400)).astype(np.float32)
    a[5] = np.nan
    x = np.stack([a, b, a, 1e6 - 2 * b], axis=1)
    cleaner = fit(x)
    restored = cleaner.inverse_transform(cleaner.transform(x).values)
    assert np.array_equal(restored[:, 2], restored[:, 0])
    np.testing.assert_allclose(restored[:, 3], 1e6 - 2 * restored[:, 1].astype(np.float64), rtol=1e-6)


def test_all_copies_of_a_column_refer_to_the_first(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 200))
    cleaner = fit(np.column_stack([b, *[a] * 200]))
    assert cleaner.kept.tolist() == [0, 1]
    assert {duplicate.original for duplicate in cleaner.duplicates} == {1}


def test_columns_that_agree_in_a_few_extreme_rows_alone_are_not_duplicates(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 3000))
    a[:3], b[:3] = (1e15, -1e15, 2e15), (1e12, -1e12, 2e12)
    x = np.stack([a, b, rng.standard_normal(3000)], axis=1)
    r = np.corrcoef(x.T)[0, 1]
    assert r > 0.9999
    assert fit(x, clip_lower_percentile=0.0, clip_upper_percentile=100.0).dropped == {}


def test_missing_cells_do_not_hide_a_duplicate(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 400))
    copy = 2 * a
    a[:5], copy[:5] = np.nan, np.nan
    assert fit(np.stack([a, b, copy], axis=1)).kept.tolist() == [0, 1]
