"""Principal axes of rows: those of a wide table follow from the products of the rows."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from spinlock.metrics import correlation
from spinlock.metrics.correlation import evenly_spaced, principal_axes


@pytest.mark.parametrize("wide", [False, True])
def test_axes_are_those_of_scikit_learn(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, wide: bool) -> None:
    rows = rng.standard_normal((12, 5)) @ rng.standard_normal((5, 40))
    rows -= rows.mean(0)
    if wide:
        monkeypatch.setattr(correlation, "MAX_MATRIX_COLUMNS", 10)
    axes = principal_axes(rows)
    assert axes.shape == (40, 5 if wide else 40)  # the rank of the rows is 5
    expected = PCA(5).fit(rows).components_
    np.testing.assert_allclose(np.abs(np.einsum("dk,kd->k", axes[:, :5], expected)), 1.0, rtol=1e-9)
    np.testing.assert_allclose(axes.T @ axes, np.eye(axes.shape[1]), atol=1e-9)
    assert principal_axes(rows, 3).shape == (40, 3)
    np.testing.assert_allclose(principal_axes(rows, 3), axes[:, :3], atol=1e-9)
    assert principal_axes(rows[:0]).shape == (40, 0 if wide else 40)


def test_a_wide_table_of_many_rows_uses_evenly_spaced_rows(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rng.standard_normal((91, 20))
    monkeypatch.setattr(correlation, "MAX_MATRIX_COLUMNS", 10)
    expected = principal_axes(rows[::10])
    every_tenth = evenly_spaced(91, 10)
    monkeypatch.setattr(correlation, "evenly_spaced", lambda count: every_tenth)
    np.testing.assert_array_equal(principal_axes(rows), expected)
