"""Fraction of explained variance, against its definition and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from spinlock.metrics.reconstruction import (
    fraction_explained,
    quality_by_column,
    quality_by_group,
    reconstruction_quality,
    squared_sums,
)


@pytest.fixture
def tables(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centered rows and a noisy copy of them, both [50, 6] float32."""
    rows = rng.standard_normal((50, 6)) * [1, 2, 3, 1, 0.5, 1]
    rows = (rows - rows.mean(0)).astype(np.float32)
    return rows, (rows + 0.3 * rng.standard_normal(rows.shape)).astype(np.float32)


def test_quality_equals_variance_weighted_r_squared(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, reconstruction = tables
    expected = r2_score(*(table.astype(np.float64) for table in tables), multioutput="variance_weighted")
    assert reconstruction_quality(rows, reconstruction) == pytest.approx(expected, abs=1e-10)


def test_quality_of_a_column_equals_its_r_squared(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, reconstruction = tables
    expected = r2_score(*(table.astype(np.float64) for table in tables), multioutput="raw_values")
    assert quality_by_column(*squared_sums(rows, reconstruction)) == pytest.approx(expected.tolist(), abs=1e-10)


def test_quality_of_groups_uses_their_own_columns_only(tables: tuple[np.ndarray, np.ndarray]) -> None:
    rows, reconstruction = tables
    by_group = quality_by_group(*squared_sums(rows, reconstruction), [(0, 2), (1, 3, 4, 5)])
    for group, quality in zip([[0, 2], [1, 3, 4, 5]], by_group, strict=True):
        exact, restored = (table[:, group].astype(np.float64) for table in tables)
        assert quality == pytest.approx(1 - ((exact - restored) ** 2).sum() / (exact**2).sum(), abs=1e-12)


def test_sums_are_computed_in_float64() -> None:
    rows = np.full((4, 1), 3e38, dtype=np.float32)
    error, power = squared_sums(rows, np.zeros_like(rows))
    assert error[0] == power[0] == pytest.approx(4 * 9e76, rel=1e-6)


def test_a_column_without_variance_has_no_quality() -> None:
    assert quality_by_column(np.array([1.0, 1.0]), np.array([0.0, 2.0])) == [None, 0.5]


def test_zero_variance_has_quality_one_without_error_and_minus_infinity_with_error() -> None:
    nothing = np.zeros(2)
    assert fraction_explained(nothing, nothing) == 1.0
    assert fraction_explained(np.ones(2), nothing) == -np.inf
    assert fraction_explained(np.array([4.0]), np.array([2.0])) == -1.0
