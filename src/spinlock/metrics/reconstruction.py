"""Reconstruction quality: the fraction of variance explained, 1 - sum (x - x^)^2 / sum (x - mean_train)^2.

The rows are z-scored and clipped, also if the model uses another normalization. Hence mean_train is 0, and all columns
have about the same weight.

Letters: ``n`` rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def reconstruction_quality(rows: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> float:
    """Return the fraction of variance explained, 1 - sum (x - x^)^2 / sum x^2.

    Parameters
    ----------
    rows
        Rows [n, D] in z-scored units, so that the training mean of each column is 0.
    reconstruction
        Reconstructed rows [n, D] in the same units.

    Returns
    -------
    float
        1 for a perfect reconstruction, 0 for the training mean, negative for a reconstruction worse than the mean.
    """
    return fraction_explained(*squared_sums(rows, reconstruction))


def fraction_explained(error: Floats, power: Floats) -> float:
    """Return 1 - sum error / sum power.

    Parameters
    ----------
    error, power
        Sums of squared errors and of squared values, for example by column [D]; see :func:`squared_sums`.

    Returns
    -------
    float
        1 if both sums are zero, minus infinity if only the power is zero.
    """
    total_power, total_error = float(power.sum()), float(error.sum())
    if total_power > 0:
        return 1.0 - total_error / total_power
    return 1.0 if total_error == 0 else -np.inf


def squared_sums(rows: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return the sums over rows of (x - x^)^2 and of x^2 for each column, in float64.

    Parameters
    ----------
    rows, reconstruction
        Rows and their reconstruction, [n, D].

    Returns
    -------
    error, power : numpy.ndarray
        Sums [D] of squared errors and of squared values.
    """
    difference = rows.astype(np.float64) - reconstruction
    return np.square(difference).sum(0), np.square(rows.astype(np.float64)).sum(0)


def power_shares(rows: NDArray[np.float32]) -> Floats:
    """Return the share of each row in sum x^2, the variance that the quality refers to.

    Parameters
    ----------
    rows
        Rows [n, D] in z-scored units.

    Returns
    -------
    numpy.ndarray
        Shares [n] with the sum 1; zeros if all rows are zero.
    """
    power = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
    shares: Floats = power / max(float(power.sum()), np.finfo(np.float64).tiny)
    return shares


def quality_by_group(error: Floats, power: Floats, groups: Sequence[Sequence[int]]) -> list[float]:
    """Return the fraction of variance explained in each group of columns.

    Parameters
    ----------
    error, power
        Sums by column [D] of :func:`squared_sums`.
    groups
        Columns of each group.

    Returns
    -------
    list of float
        One quality for each group.
    """
    return [fraction_explained(error[list(group)], power[list(group)]) for group in groups]


def quality_by_column(error: Floats, power: Floats) -> list[float | None]:
    """Return the fraction of variance explained of each column.

    Parameters
    ----------
    error, power
        Sums by column [D] of :func:`squared_sums`.

    Returns
    -------
    list of float or None
        One quality for each column; None for a column whose values are all zero.
    """
    return [1.0 - e / p if p > 0 else None for e, p in zip(error.tolist(), power.tolist(), strict=True)]
