"""Posterior densities of the measured operators, given their true families.

Letters: ``n`` operators of a family, ``d`` parameters of the family, ``S`` draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.evaluation.operators import EvaluatedOperators
from spinlock.ano.predictor import Predictor

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FamilyPosterior:
    """Densities of the parameters of the measured operators of one family.

    Attributes
    ----------
    family
        Index of the family.
    columns
        Positions [d] of its parameters among those of the model.
    rows
        Positions [n] of its operators among the measured ones.
    truth
        True z [n, d]; NaN for absent parameters.
    density
        Densities of z.
    draws
        Draws of z [n, S, d].
    """

    family: int
    columns: tuple[int, ...]
    rows: NDArray[np.int64]
    truth: Floats
    density: GaussianMixture
    draws: Floats

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which parameters exist, [n, d]."""
        return np.isfinite(self.truth)

    def ranks(self) -> Floats:
        """Return P(Z <= z) [n, d] at the true parameters; NaN for absent ones."""
        probability = self.density.marginal_cdf(torch.from_numpy(np.nan_to_num(self.truth))).numpy()
        return np.where(self.present, probability, np.nan)

    def quantiles(self, levels: list[float]) -> Floats:
        """Return the coordinates [n, d, L] in the unit interval of L probabilities."""
        return np.asarray(ndtr(self.density.marginal_quantile(levels).numpy()))

    def information_bits(self) -> Floats:
        """Return log2 p(z) - log2 p0(z) [n] at the true parameters, where p0 is the prior."""
        return information_bits(self.density, self.truth)


def information_bits(density: GaussianMixture, truth: Floats) -> Floats:
    """Return log2 p(z) - log2 p0(z) [n] at z [n, d], NaN for absent parameters, with the prior p0 = N(0, I)."""
    points, present = torch.from_numpy(np.nan_to_num(truth)), torch.from_numpy(np.isfinite(truth))
    prior = GaussianMixture.standard(*truth.shape).double()
    gain = density.log_prob(points, present) - prior.log_prob(points, present)
    return np.asarray(gain.numpy() / math.log(2))


def family_posteriors(
    predictor: Predictor, operators: EvaluatedOperators, count: int, seed: int
) -> list[FamilyPosterior]:
    """Return the posteriors of the families that have measured operators and parameters.

    Parameters
    ----------
    predictor
        The calibrated ensemble.
    operators
        Operators with known parameters.
    count
        Number S of draws of each operator.
    seed
        Seed of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.from_numpy(operators.tokens[operators.measured])
    family, real = operators.family[operators.measured], operators.real[operators.measured]
    states = predictor.ensemble.states(tokens)
    posteriors = []
    for index in np.unique(family).tolist():
        columns = predictor.space.columns[index]
        if not columns:
            continue
        rows = np.flatnonzero(family == index)
        density = predictor.density([state[torch.from_numpy(rows)] for state in states], index)
        draws = density.sample(count, generator).numpy()
        truth = real[np.ix_(rows, list(columns))]
        posteriors.append(FamilyPosterior(index, columns, rows, truth, density, draws))
    return posteriors
