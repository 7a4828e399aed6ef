"""Distances between samples against SciPy and closed forms."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from spinlock.metrics.two_samples import kolmogorov_smirnov, total_variation


@pytest.mark.parametrize("shift", [0.0, 0.7, 9.0])
def test_the_distance_of_distributions_is_that_of_scipy(shift: float, rng: np.random.Generator) -> None:
    first, second = rng.standard_normal(80), np.round(rng.standard_normal(130) + shift, 1)
    assert kolmogorov_smirnov(first, second) == pytest.approx(ks_2samp(first, second).statistic, abs=1e-9)


def test_total_variation_of_codes() -> None:
    assert total_variation(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 4) == pytest.approx((0.25 + 0.5 + 0.25) / 2)
    assert total_variation(np.zeros(3, dtype=np.int64), np.ones(5, dtype=np.int64), 2) == 1
