"""Correlation matrices against NumPy."""

import numpy as np

from spinlock.metrics.correlation import correlation_matrix


def test_correlations_agree_with_numpy_and_are_zero_for_a_constant_column(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((50, 5)) * [1, 10, 0.1, 1, 1] + 3.0
    np.testing.assert_allclose(correlation_matrix(rows), np.corrcoef(rows.T), atol=1e-12)
    rows[:, 2] = 4.0
    assert correlation_matrix(rows)[2].tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]
