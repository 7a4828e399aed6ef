"""Correspondence analysis of tokens, which gives every code a position before any parameter is seen.

Each row is the indicator vector of its codes. The axes are the first right singular vectors of the indicators, centered
and divided by the square root of the frequency of each code (multiple correspondence analysis). Codes that occur
together with the same other codes are near each other, so that a network with these embeddings needs fewer rows.

Letters: ``n`` rows, ``T`` token columns, ``J`` codes of all columns together, ``E`` axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

MAX_AXES = 64
"""Maximum number of axes. All have the same variance, and most others are noise."""


def correspondence_positions(
    codes: NDArray[np.int64], num_codes: int, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions of the codes, and the sum of the mean positions.

    The sum of the positions of the T codes of a row, minus the second result, has mean 0 and variance 1 along each
    axis.

    Parameters
    ----------
    codes
        Codes [n, T] of the rows, numbered through all columns from 0 to J - 1.
    num_codes
        Number of codes J.
    size
        Number of axes E. Axes beyond :data:`MAX_AXES` and beyond the rank of the indicators are zero.

    Returns
    -------
    positions : numpy.ndarray
        Positions [J, E].
    center : numpy.ndarray
        Mean [E] of the sums.
    """
    rows = len(codes)
    indicators = np.zeros((rows, num_codes))
    indicators[np.arange(rows)[:, None], codes] = 1
    frequency = indicators.mean(axis=0)
    scale = 1 / np.sqrt(frequency + 1 / rows)  # a code that never occurs has a finite scale
    scaled = (indicators - frequency) * scale
    take = min(size, num_codes, rows, MAX_AXES)
    gram = scaled.T @ scaled / rows
    values, vectors = eigh(gram, subset_by_index=[num_codes - take, num_codes - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    usable = values > 1e-9 * values[0]
    positions = np.zeros((num_codes, size))
    positions[:, :take][:, usable] = (scale[:, None] * vectors / np.sqrt(np.where(usable, values, 1)))[:, usable]
    return positions, frequency @ positions
