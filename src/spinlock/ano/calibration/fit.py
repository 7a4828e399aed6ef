"""Calibration of an ensemble, and its metrics on the operators that were used for nothing else.

Letters: ``n`` operators, ``F`` families, ``P`` parameters of all families together, ``L`` levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.ano.calibration.conformal import LEVELS, ConformalWidths
from spinlock.ano.calibration.temperature import fit_temperature
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.network.ensemble import Ensemble
from spinlock.ano.predictor import Predictor
from spinlock.ano.training.losses import Targets
from spinlock.metrics.calibration import expected_calibration_error

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """Where the true parameters are in their predicted densities.

    Attributes
    ----------
    probability
        U = P(Z <= z) [n, P] of each true parameter; NaN where an operator has no such parameter. It is uniform if the
        densities are right.
    information
        log2 p(z) - log2 p0(z) [n] with the prior p0: information about the parameters of each operator in bits.
    """

    probability: Floats
    information: Floats


def true_ranks(ensemble: Ensemble, space: ParameterSpace, targets: Targets) -> Ranks:
    """Evaluate the densities, given the true families, at the true parameters."""
    states = ensemble.states(targets.tokens)
    probability = np.full(targets.points.shape, np.nan)
    information = np.zeros(len(targets))
    for index in torch.unique(targets.family).tolist():
        rows, columns = torch.nonzero(targets.family == index).squeeze(1), list(space.columns[index])
        if not columns:
            continue
        points, present = targets.points[rows][:, columns].double(), targets.present[rows][:, columns]
        density = ensemble.density([state[rows] for state in states], index, len(columns))
        ranks = torch.where(present, density.marginal_cdf(points), torch.nan)
        probability[np.ix_(rows.numpy(), columns)] = ranks.numpy()
        prior = GaussianMixture.standard(len(rows), len(columns)).double()
        gain = density.log_prob(points, present) - prior.log_prob(points, present)
        information[rows.numpy()] = gain.numpy() / math.log(2)
    return Ranks(probability, information)


def calibrate(ensemble: Ensemble, space: ParameterSpace, validation: Targets, calibrate_on: Targets) -> Predictor:
    """Fit the temperature on the validation operators, and the widths of the intervals on the calibration operators."""
    logits = ensemble.family_logits(ensemble.states(validation.tokens)).double().numpy()
    temperature = fit_temperature(logits, validation.family.numpy())
    scores = np.abs(true_ranks(ensemble, space, calibrate_on).probability - 0.5)
    family = calibrate_on.family.numpy()
    by_family = [scores[family == index] for index in range(len(space.families))]
    widths = ConformalWidths.fit([own[np.isfinite(own)] for own in by_family], [len(own) for own in by_family])
    return Predictor(ensemble, space, temperature, widths)


def held_out_metrics(predictor: Predictor, targets: Targets) -> dict[str, Any]:
    """Return the metrics of a predictor on operators that were used for nothing else.

    Coverage and information are given the true family.

    Returns
    -------
    dict
        ``operators``; ``family_accuracy``; ``family_ece``; ``family_nll`` in nats; ``information_bits`` per operator;
        ``coverage`` {level: fraction of all parameters inside their interval}; ``parameter_coverage`` {name: {level:
        fraction}}; ``family_recall`` {family: fraction}.
    """
    space, family = predictor.space, targets.family.numpy()
    probability = predictor.family_probability(predictor.ensemble.states(targets.tokens))
    correct = probability.argmax(axis=1) == family
    ranks = true_ranks(predictor.ensemble, space, targets)
    scores = np.abs(ranks.probability - 0.5)
    exists = np.isfinite(scores)
    inside = {
        f"{level:g}": scores <= predictor.widths.half_widths[family, position][:, None]
        for position, level in enumerate(LEVELS)
    }
    return {
        "operators": len(targets),
        "family_accuracy": float(correct.mean()),
        "family_ece": expected_calibration_error(probability, family),
        "family_nll": -float(np.log(probability[np.arange(len(family)), family]).mean()),
        "information_bits": float(ranks.information.mean()),
        "coverage": {level: float(hit[exists].mean()) for level, hit in inside.items()},
        "parameter_coverage": {
            name: {level: float(hit[exists[:, j], j].mean()) for level, hit in inside.items()}
            for j, name in enumerate(space.names)
            if exists[:, j].any()
        },
        "family_recall": {
            name: float(correct[family == index].mean())
            for index, name in enumerate(space.families)
            if (family == index).any()
        },
    }
