"""Ridge regression with leave-one-out selection of the penalty, the closed-form start of the parameter densities.

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
    """

    weights: Floats
    bias: Floats
    deviation: Floats


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
    columns = [_ridge_column(x[known], y[known, j]) for j, known in enumerate(np.isfinite(y).T)]
    weights, bias, deviation = zip(*columns, strict=True)
    return LinearFit(np.stack(weights, axis=1), np.array(bias), np.array(deviation))


def _ridge_column(x: Floats, y: Floats) -> tuple[Floats, float, float]:
    """Return the weights [E], the bias and the leave-one-out deviation of one output [n]."""
    rows = len(y)
    if rows < MIN_ROWS:
        return np.zeros(x.shape[1]), 0.0, 1.0
    center, mean = x.mean(axis=0), y.mean()
    u, s, vt = np.linalg.svd(x - center, full_matrices=False)
    projected = u.T @ (y - mean)
    best, best_error = np.zeros(x.shape[1]), np.inf
    for penalty in PENALTIES:
        shrinkage = s**2 / (s**2 + penalty)
        leverage = 1 / rows + (u**2) @ shrinkage
        errors = (y - mean - u @ (shrinkage * projected)) / (1 - np.minimum(leverage, 1 - 1e-9))
        error = float(np.mean(errors**2))
        if error < best_error:
            best_error = error
            best = vt.T @ (s / (s**2 + penalty) * projected)
    return best, float(mean - center @ best), max(MIN_DEVIATION, float(np.sqrt(best_error)))
