"""Expected coverage of posteriors around random reference points, TARP (Lemos et al. 2023).

For a reference point r, the region of credibility a is the ball around r that contains the fraction a of the posterior
draws. If the posterior is exact, it contains the true point with probability a. Unlike ranks of single parameters, this
is a test of the joint posterior. The gap is the largest difference between expected coverage and credibility.

Letters: ``n`` operators, ``S`` draws, ``R`` reference points, ``d`` parameters, ``L`` levels of credibility.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS = np.linspace(0, 1, 101)
"""Levels of credibility at which the curve is measured."""

NULL_CURVES = 200
"""Number of curves of an exact posterior, from which the noise of the gap is estimated."""


@dataclass(frozen=True)
class Credibility:
    """Credibility of the smallest ball around each reference point that contains a point.

    Attributes
    ----------
    truth
        Of the true points, [n, R].
    draws
        Of the draws themselves, [n, R, S]. They are what true points would give if the posterior were exact.
    """

    truth: Floats
    draws: NDArray[np.float32]


@dataclass(frozen=True)
class ExpectedCoverage:
    """Curve of expected coverage.

    Attributes
    ----------
    levels, coverage
        Credibility and expected coverage, [L].
    gap
        Largest absolute difference between both.
    null_quantile
        95 % quantile of the gap of an exact posterior with the same number of operators.
    """

    levels: Floats
    coverage: Floats
    gap: float
    null_quantile: float


def credibility(truth: Floats, draws: Floats, references: Floats) -> Credibility:
    """Compare the distances of truth and draws to reference points.

    Parameters
    ----------
    truth
        True points [n, d].
    draws
        Draws of the posteriors [n, S, d].
    references
        Reference points [n, R, d], which must not depend on the truth.
    """
    num_draws, num_references = draws.shape[1], references.shape[1]
    of_truth = np.empty((len(truth), num_references))
    of_draws = np.empty((len(truth), num_references, num_draws), dtype=np.float32)
    for j in range(num_references):
        center = references[:, j]
        far = np.linalg.norm(draws - center[:, None], axis=2)
        own = np.linalg.norm(truth - center, axis=1)
        of_truth[:, j] = ((far < own[:, None]).sum(axis=1) + 0.5) / (num_draws + 1)
        of_draws[:, j] = (far.argsort(axis=1).argsort(axis=1) + 0.5) / num_draws
    return Credibility(of_truth, of_draws)


def expected_coverage(parts: list[Credibility], rng: np.random.Generator) -> ExpectedCoverage:
    """Return the curve of the operators of all parts together.

    Parameters
    ----------
    parts
        Credibilities of groups of operators, with equal numbers of draws and of reference points. The groups can
        differ in the number of parameters.
    rng
        Selects the draws that replace the true points for ``null_quantile``.
    """
    truth = np.concatenate([part.truth for part in parts])
    curve = _curve(truth)
    gaps = []
    for _ in range(NULL_CURVES):
        drawn = []
        for part in parts:
            rows = np.arange(len(part.draws))
            drawn.append(part.draws[rows, :, rng.integers(0, part.draws.shape[2], len(rows))])
        gaps.append(_gap(_curve(np.concatenate(drawn))))
    return ExpectedCoverage(LEVELS, curve, _gap(curve), float(np.quantile(gaps, 0.95)))


def _curve(credibilities: NDArray[np.floating]) -> Floats:
    """Return the fraction of credibilities below each level, [L]."""
    ordered = np.sort(credibilities, axis=None)
    return np.searchsorted(ordered, LEVELS, side="right") / ordered.size


def _gap(curve: Floats) -> float:
    return float(np.abs(curve - LEVELS).max())
