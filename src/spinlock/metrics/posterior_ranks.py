"""Simulation-based calibration: ranks of true values among draws of their posterior (Talts et al. 2018).

If the posterior is exact, the rank of the true value among S draws is uniform on 0, ..., S. A posterior that is too
narrow gives a histogram with raised ends, one that is too wide a raised middle, and a biased one a slope.

Letters: ``n`` operators, ``S`` draws of each posterior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

Floats = NDArray[np.float64]


def posterior_ranks(truth: Floats, draws: Floats, rng: np.random.Generator) -> Floats:
    """Return (r + e) / (S + 1), where r is the rank of the true value and e is uniform in the unit interval.

    It is exactly uniform in the unit interval if truth and draws have the same distribution.

    Parameters
    ----------
    truth
        True values [n].
    draws
        Draws of the posteriors [n, S].
    rng
        Generator of e.
    """
    below = (draws < truth[:, None]).sum(axis=1)
    equal = (draws == truth[:, None]).sum(axis=1)
    return np.asarray((below + (equal + 1) * rng.random(len(truth))) / (draws.shape[1] + 1))


def uniformity_p_value(ranks: Floats) -> float:
    """Return the p value of the Kolmogorov-Smirnov test that ranks [n] are uniform in the unit interval."""
    return float(kstest(ranks, "uniform").pvalue)


def rank_histogram(ranks: Floats, bins: int) -> NDArray[np.int64]:
    """Return the number of ranks [n] in each of equal bins of the unit interval, [bins]."""
    return np.bincount(np.minimum((ranks * bins).astype(np.int64), bins - 1), minlength=bins)
