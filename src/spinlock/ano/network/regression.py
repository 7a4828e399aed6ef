"""Ridge regression with leave-one-out selection of the penalty, which initializes the parameter densities.

Letters: ``n`` rows, ``E`` inputs, ``d`` outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PENALTIES = np.logspace(-2, 5, 29)
"""Penalties that are compared, in units of the variance of the inputs times one row."""

MIN_ROWS = 10
"""Minimum number of rows of an output; with fewer its prediction is the prior mean 0 with deviation 1."""

MIN_DEVIATION = 0.05
"""Smallest deviation of the errors, in units of the prior deviation."""


@dataclass(frozen=True)
class LinearFit:
    """y = x A + b with errors of standard deviation s.

    Attributes
    ----------
    weights
        A [E, d].
    bias
        b [d].
    deviation
        s [d], of leave-one-out errors.
    left_out
        Prediction [n, d] of each row by the regression that is fitted on all other rows, with the same penalty; 0 where
        the output is NaN.
    """

    weights: Floats
    bias: Floats
    deviation: Floats
    left_out: Floats


def ridge(x: Floats, y: Floats) -> LinearFit:
    """Fit each output with its own penalty.

    Parameters
    ----------
    x
        Inputs [n, E].
    y
        Outputs [n, d]; rows in which an output is NaN are not used for it.

    Returns
    -------
    LinearFit
    """
    weights, bias, deviation = np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1]), np.ones(y.shape[1])
    left_out = np.zeros_like(y)
    masks, group = np.unique(np.isfinite(y), axis=1, return_inverse=True)  # outputs that the same rows have
    for number, rows in enumerate(masks.T):
        columns = np.flatnonzero(group == number)
        if rows.sum() >= MIN_ROWS:
            weights[:, columns], bias[columns], errors = _ridge(x[rows], y[np.ix_(rows, columns)])
            deviation[columns] = np.maximum(MIN_DEVIATION, np.sqrt(np.square(errors).mean(axis=0)))
            left_out[np.ix_(rows, columns)] = y[np.ix_(rows, columns)] - errors
    return LinearFit(weights, bias, deviation, left_out)


def _ridge(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the weights [E, d], biases [d] and leave-one-out errors [n, d] of outputs [n, d] without NaN."""
    center, mean = x.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd(x - center, full_matrices=False)
    projected, squared = u.T @ (y - mean), u**2
    best, best_error, left_out_errors = np.zeros_like(projected), np.full(y.shape[1], np.inf), np.zeros_like(y)
    for penalty in PENALTIES:
        shrinkage = s**2 / (s**2 + penalty)
        leverage = np.minimum(1 / len(y) + squared @ shrinkage, 1 - 1e-9)
        errors = (y - mean - u @ (shrinkage[:, None] * projected)) / (1 - leverage)[:, None]
        error = np.square(errors).mean(axis=0)
        better = error < best_error
        best_error[better], left_out_errors[:, better] = error[better], errors[:, better]
        best[:, better] = ((s / (s**2 + penalty))[:, None] * projected)[:, better]
    weights = vt.T @ best
    return weights, mean - center @ weights, left_out_errors
