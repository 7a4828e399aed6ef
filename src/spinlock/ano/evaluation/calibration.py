"""Simulation-based calibration: ranks of the true parameters among posterior draws, and expected coverage.

These are checks of the densities before their intervals are made conformal, given the true family.

Letters: ``n`` operators of a family, ``d`` parameters of the family, ``S`` draws, ``R`` reference points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.evaluation.posteriors import FamilyPosterior
from spinlock.metrics.expected_coverage import Credibility, credibility, expected_coverage
from spinlock.metrics.posterior_ranks import posterior_ranks, rank_histogram, uniformity_p_value

BINS = 10
"""Bins of a rank histogram."""

REFERENCES = 40
"""Number R of random reference points of each operator."""

MIN_P_VALUE = 0.01
"""Ranks with a smaller p value are not uniform."""

MIN_OPERATORS = 5
"""Minimum number of operators of a parameter whose ranks are tested."""


@dataclass(frozen=True)
class RankResult:
    """Ranks of one parameter of one family.

    Attributes
    ----------
    name, family
        Names.
    operators
        Number of measured operators with this parameter.
    histogram
        Number of ranks in each of ten equal bins.
    p_value
        p value of the Kolmogorov-Smirnov test of uniform ranks.
    mean
        Mean of the ranks, divided by their maximum: 1/2 if there is no bias.
    """

    name: str
    family: str
    operators: int
    histogram: tuple[int, ...]
    p_value: float
    mean: float


@dataclass(frozen=True)
class SimulationBasedCalibration:
    """Checks of the densities.

    Attributes
    ----------
    draws, references
        Numbers of posterior draws and of reference points of each operator.
    ranks
        Ranks of each parameter with at least five operators.
    share_uniform
        Fraction of these parameters whose p value is above 0.01; NaN if there are none.
    levels, expected_coverage
        Curve of the expected coverage (TARP).
    tarp_gap
        Largest difference between expected coverage and level.
    tarp_gap_null_quantile
        95 % quantile of this gap for an exact posterior with the same number of operators.
    """

    draws: int
    references: int
    ranks: tuple[RankResult, ...]
    share_uniform: float
    levels: tuple[float, ...]
    expected_coverage: tuple[float, ...]
    tarp_gap: float
    tarp_gap_null_quantile: float


def measure_calibration(
    posteriors: Sequence[FamilyPosterior], space: ParameterSpace, rng: np.random.Generator
) -> SimulationBasedCalibration:
    """Check the densities.

    Parameters
    ----------
    posteriors
        Densities and draws of the measured operators of each family.
    space
        Families and parameters of the model.
    rng
        Draws reference points, and breaks ties of ranks.
    """
    ranks = [
        result for posterior in posteriors for axis in range(len(posterior.columns))
        if (result := _ranks(posterior, axis, space, rng)).operators >= MIN_OPERATORS
    ]  # fmt: skip
    curve = expected_coverage([_credibility(posterior, rng) for posterior in posteriors], rng)
    uniform = [result.p_value > MIN_P_VALUE for result in ranks]
    return SimulationBasedCalibration(
        draws=posteriors[0].draws.shape[1],
        references=REFERENCES,
        ranks=tuple(ranks),
        share_uniform=float(np.mean(uniform)) if uniform else float("nan"),
        levels=tuple(curve.levels.tolist()),
        expected_coverage=tuple(curve.coverage.tolist()),
        tarp_gap=curve.gap,
        tarp_gap_null_quantile=curve.null_quantile,
    )


def _ranks(posterior: FamilyPosterior, axis: int, space: ParameterSpace, rng: np.random.Generator) -> RankResult:
    """Return the ranks of one parameter."""
    family, rows = space.families[posterior.family], posterior.present[:, axis]
    ranks = posterior_ranks(posterior.truth[rows, axis], posterior.draws[rows, :, axis], rng)
    return RankResult(
        name=space.names[posterior.columns[axis]].removeprefix(f"{family}."),
        family=family,
        operators=len(ranks),
        histogram=tuple(rank_histogram(ranks, BINS).tolist()),
        p_value=uniformity_p_value(ranks) if len(ranks) else float("nan"),
        mean=float(ranks.mean()) if len(ranks) else float("nan"),
    )


def _credibility(posterior: FamilyPosterior, rng: np.random.Generator) -> Credibility:
    """Compare distances in the unit cube; absent parameters have no distance."""
    present = posterior.present
    truth = np.where(present, ndtr(posterior.truth), 0.0)
    draws = np.where(present[:, None], ndtr(posterior.draws), 0.0)
    references = np.where(present[:, None], rng.random((len(truth), REFERENCES, truth.shape[1])), 0.0)
    return credibility(truth, draws, references)
