"""Random Fourier features: a ridge regression on them approximates one with a Gaussian kernel.

phi(x) = s sqrt(2 / m) cos(x W / l + b) with standard normal W and uniform b. The inner product of phi(x) and phi(y) is
near s^2 exp(-|x - y|^2 / (2 l^2)) (Rahimi and Recht 2007).

Letters: ``n`` rows, ``E`` inputs, ``m`` features, ``d`` outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from spinlock.ano.network.regression import LinearFit, ridge

Floats = NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0)
"""Lengths l that are compared, in units of the median distance of the rows."""

AMPLITUDES = (0.5, 1.0, 2.0)
"""Factors s that are compared, in units of the root mean square norm of the rows; the linear part has norm 1."""

MAX_PAIRED = 400
"""Maximum number of rows from which the median distance is computed."""


@dataclass(frozen=True)
class FourierFit:
    """A ridge regression on the inputs and on their Fourier features.

    Attributes
    ----------
    frequencies, phases, amplitude
        W / l [E, m], b [m] and s sqrt(2 / m).
    fit
        Regression on E + m inputs.
    """

    frequencies: Floats
    phases: Floats
    amplitude: float
    fit: LinearFit


def fit_fourier(x: Floats, y: Floats, features: int, rng: np.random.Generator) -> FourierFit:
    """Fit outputs with the length and the amplitude that have the smallest leave-one-out errors.

    Parameters
    ----------
    x, y
        Inputs [n, E] and outputs [n, d]; rows in which an output is NaN are not used for it.
    features
        Number m of features.
    rng
        Draws W and b.
    """
    directions = rng.standard_normal((x.shape[1], features))
    phases = rng.uniform(0, 2 * np.pi, features)
    distance = float(np.median(pdist(x[:MAX_PAIRED]))) if len(x) > 1 else 1.0
    distance = distance or 1.0  # all rows are equal
    norm = float(np.sqrt(np.square(x - x.mean(axis=0)).sum(axis=1).mean())) if len(x) else 1.0
    fits = []
    for length, amplitude in product(LENGTHS, AMPLITUDES):
        frequencies = directions / max(length * distance, np.finfo(float).tiny)
        factor = amplitude * norm * np.sqrt(2 / features)
        inputs = np.concatenate([x, factor * np.cos(x @ frequencies + phases)], axis=1)
        fits.append(FourierFit(frequencies, phases, factor, ridge(inputs, y)))
    return min(fits, key=lambda each: float(np.log(each.fit.deviation).sum()))
