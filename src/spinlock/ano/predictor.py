"""Predictions of a calibrated ensemble.

Letters: ``B`` rows of a block, ``F`` families, ``P`` parameters of all families together, ``d`` parameters of one
family, ``L`` levels, ``A`` modes, ``k`` candidates, ``S`` samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from spinlock.ano.calibration.conformal import LEVELS, ConformalWidths
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.density.modes import Modes, find_modes
from spinlock.ano.network.ensemble import Ensemble
from spinlock.ano.network.member import RowState
from spinlock.ano.prediction import Candidates, Prediction, Samples

Floats = NDArray[np.float64]

BLOCK = 4096
"""Maximum number of rows that are predicted at a time."""

MAX_DRAWS = 400_000
"""Maximum number of draws at a time, if one row has fewer. It limits the memory of samples."""

MIN_FAMILY_PROBABILITY = 1e-3
"""Families with a smaller probability give no candidates."""


def block_rows(samples: int) -> int:
    """Return the number of rows of a block in which each row has this number of samples."""
    return min(BLOCK, max(1, MAX_DRAWS // max(1, samples)))


@dataclass(frozen=True)
class Predictor:
    """The ensemble with its calibration.

    Attributes
    ----------
    ensemble, space
        The members, and the families and parameters that they predict.
    temperature
        Divides the logits of the families.
    widths
        Widths of the intervals.
    """

    ensemble: Ensemble
    space: ParameterSpace
    temperature: float
    widths: ConformalWidths

    def density(self, states: list[RowState], family: int) -> GaussianMixture:
        """Return the density of z of the parameters of a family, one for each row."""
        return self.ensemble.density(states, family, len(self.space.columns[family]))

    def family_probability(self, states: list[RowState]) -> Floats:
        """Return the probabilities [B, F] of the families."""
        logits = self.ensemble.family_logits(states).double().numpy()
        return np.asarray(softmax(logits / self.temperature, axis=1))

    def predict(self, tokens: Tensor, num_candidates: int) -> Prediction:
        """Predict the operators of a block of rows.

        Parameters
        ----------
        tokens
            Code indices [B, T].
        num_candidates
            Number k of candidates of each row.
        """
        states = self.ensemble.states(tokens)
        probability = self.family_probability(states)
        family = probability.argmax(axis=1)
        median = np.full((len(tokens), len(self.space.scales)), np.nan)
        interval = np.full((*median.shape, len(LEVELS), 2), np.nan)
        for index in np.unique(family).tolist():
            rows = np.flatnonzero(family == index)
            if not self.space.columns[index]:
                continue
            density = self.density([state[rows] for state in states], index)
            median[rows], interval[rows] = self._summaries(density, index)
        return Prediction(
            families=self.space.families,
            parameter_names=self.space.names,
            levels=LEVELS,
            family_probability=probability,
            family=family,
            median=median,
            interval=interval,
            candidates=self._candidates(states, probability, num_candidates),
        )

    def _summaries(self, density: GaussianMixture, family: int) -> tuple[Floats, Floats]:
        """Return medians [B, P] and intervals [B, P, L, 2] of a family in physical units."""
        widths = self.widths.half_widths[family]
        levels = [0.5, *(0.5 + sign * width for width in widths.tolist() for sign in (-1, 1))]
        points = density.marginal_quantile(levels).numpy()
        values = np.stack([self.space.to_physical(family, points[..., i]) for i in range(len(levels))], axis=-1)
        ends = values[..., 1:].reshape(*values.shape[:2], len(widths), 2)
        return values[..., 0], np.sort(ends, axis=-1)  # a physical value can decrease with z

    def _candidates(self, states: list[RowState], probability: Floats, count: int) -> Candidates:
        """Return the most probable modes of all families of each row."""
        rows, families, weights, values = [], [], [], []
        for index in range(probability.shape[1]):
            chosen = np.flatnonzero(probability[:, index] >= MIN_FAMILY_PROBABILITY)
            if not len(chosen):
                continue
            modes = self._modes([state[chosen] for state in states], index)
            at, mode = np.nonzero(modes.probability.numpy() > 0)
            rows.append(chosen[at])
            families.append(np.full(len(at), index))
            weights.append(probability[chosen[at], index] * modes.probability.numpy()[at, mode])
            values.append(self.space.to_physical(index, modes.points.numpy()[at, mode]))
        row, weight = np.concatenate(rows), np.concatenate(weights)
        order = np.lexsort((-weight, row))
        rank = np.arange(len(row)) - np.searchsorted(row[order], row[order])  # position among those of the same row
        order, rank = order[rank < count], rank[rank < count]
        shape = (len(probability), count)
        family_table, weight_table = np.full(shape, -1), np.zeros(shape)
        value_table = np.full((*shape, len(self.space.scales)), np.nan)
        place = row[order], rank
        family_table[place], weight_table[place] = np.concatenate(families)[order], weight[order]
        value_table[place] = np.concatenate(values)[order]
        return Candidates(family_table, weight_table, value_table)

    def _modes(self, states: list[RowState], family: int) -> Modes:
        """Return the modes of a family; one empty point for a family without parameters."""
        if not self.space.columns[family]:
            rows = len(states[0])
            return Modes(torch.zeros(rows, 1, 0), torch.ones(rows, 1))
        return find_modes(self.density(states, family))

    def sample(self, tokens: Tensor, count: int, generator: torch.Generator) -> Samples:
        """Draw ``count`` operators from the posterior of each row of a block."""
        states = self.ensemble.states(tokens)
        probability = torch.from_numpy(self.family_probability(states))
        family = torch.multinomial(probability, count, replacement=True, generator=generator).numpy()
        values = np.full((len(tokens), count, len(self.space.scales)), np.nan)
        for index in np.unique(family).tolist():
            rows = np.flatnonzero((family == index).any(axis=1))
            if not self.space.columns[index]:
                continue
            density = self.density([state[rows] for state in states], index)
            points = density.sample(count, generator).numpy()
            drawn = family[rows] == index
            values[rows[np.nonzero(drawn)[0]], np.nonzero(drawn)[1]] = self.space.to_physical(index, points[drawn])
        return Samples(family, values)
