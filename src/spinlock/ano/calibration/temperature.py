"""Temperature scaling of class probabilities (Guo et al. 2017).

Letters: ``n`` rows, ``F`` families.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Floats = NDArray[np.float64]

LIMITS = (0.05, 20.0)
"""Range of the temperature."""


def negative_log_likelihood(logits: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    """Return the mean of -log softmax(logits / T)[label] for logits [n, F] and labels [n]."""
    log_probability = log_softmax(logits / temperature, axis=1)
    return -float(log_probability[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Return the temperature T with the smallest negative log likelihood.

    One more row is added, which has every label with equal probability. Without it, rows that are all correct would
    make every probability 0 or 1.

    Parameters
    ----------
    logits
        Logits [n, F] of rows on which the network was not fitted.
    labels
        True classes [n].

    Returns
    -------
    float
        T in :data:`LIMITS`; 1 if no other temperature is better.
    """
    found = minimize_scalar(
        lambda log_t: _smoothed(logits, labels, math.exp(log_t)),
        bounds=(math.log(LIMITS[0]), math.log(LIMITS[1])),
        method="bounded",
    )
    return math.exp(found.x) if found.fun < _smoothed(logits, labels, 1.0) else 1.0


def _smoothed(logits: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    """Return the negative log likelihood of n rows and of one row with every label, divided by n."""
    uniform = -float(log_softmax(logits / temperature, axis=1).mean())
    return negative_log_likelihood(logits, labels, temperature) + uniform / len(labels)
