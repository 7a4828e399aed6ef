"""Positions of codes along the principal axes of the rows, from the positions that a token file contains.

Letters: ``n`` rows, ``T`` token columns, ``J`` codes of all columns together, ``P`` axes of the file, ``E`` axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def principal_positions(codes: NDArray[np.int64], positions: Floats, size: int) -> tuple[Floats, Floats]:
    """Rotate positions so that the sums of the rows have uncorrelated coordinates with decreasing variances.

    All axes have the same scale, with which the variances of the sums have the mean 1. Axes with a small variance
    remain small, because they are mostly noise.

    Parameters
    ----------
    codes
        Codes [n, T] of the rows, numbered through all columns from 0 to J - 1.
    positions
        Positions [J, P].
    size
        Number of axes E. Axes beyond P are zero.

    Returns
    -------
    positions : numpy.ndarray
        Positions [J, E].
    center : numpy.ndarray
        Mean [E] of the sums.
    """
    sums = positions[codes].sum(axis=1)
    mean = sums.mean(axis=0)
    variances, axes = np.linalg.eigh((sums - mean).T @ (sums - mean) / len(sums))
    take = min(size, len(variances))
    largest = axes[:, ::-1][:, :take]
    scale = np.sqrt(take / max(float(variances[::-1][:take].sum()), np.finfo(float).tiny))
    rotated = np.zeros((len(positions), size))
    rotated[:, :take] = scale * (positions @ largest)
    center = np.zeros(size)
    center[:take] = scale * (mean @ largest)
    return rotated, center
