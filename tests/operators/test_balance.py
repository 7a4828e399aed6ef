"""Balance of a sample, against SciPy and independent random points."""

import numpy as np
import pytest
from scipy.stats import qmc

from spinlock.operators.balance import balance
from tests.operators.test_sampling import STRATA, sampled


def test_balance_reports_the_worst_stratum() -> None:
    operators = sampled(256)
    result = balance(operators)
    assert result is not None
    values = {
        each.name: qmc.discrepancy(points, method="CD") for each, points in zip(STRATA, operators.points, strict=True)
    }
    assert result.discrepancy == pytest.approx(values[result.discrepancy_stratum])
    assert result.discrepancy < 0.2 * result.random_discrepancy
    correlations = [abs(np.corrcoef(points.T)[0, 1]) for points in operators.points]
    assert result.correlation == pytest.approx(max(correlations))
    assert balance(sampled(10)) is None


def test_the_random_discrepancy_equals_that_of_independent_points() -> None:
    result = balance(sampled(256))
    assert result is not None
    count = len(
        next(p for s, p in zip(STRATA, sampled(256).points, strict=True) if s.name == result.discrepancy_stratum)
    )
    rng = np.random.default_rng(0)
    expected = np.mean([qmc.discrepancy(rng.random((count, 2)), method="CD") for _ in range(300)])
    assert result.random_discrepancy == pytest.approx(expected, rel=0.1)
