"""Rank quality: the fraction of variance explained after each column is replaced by its rank among the training rows.

    F(x) = (number of training values below x + half of the number of training values equal to x) / n

The distribution function F is linear between training values and constant outside their range. It has the mean 1/2 on
training rows, hence

    rank quality = 1 - sum (F(x) - F(x^))^2 / sum (F(x) - 1/2)^2

F maps all values to the range from 0 to 1, so that extreme values have no more weight than others. Clipping at an outer
percentile changes F by at most the clipped fraction.

Letters: ``n`` training values of a column, ``m`` rows, ``D`` columns, ``Q`` points of a distribution function.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.reconstruction import fraction_explained

Floats = NDArray[np.float64]

DistributionFunction = tuple[Floats, Floats]
"""Ascending values [Q] of a column, and F at these values."""


def rank_quality(
    rows: NDArray[np.floating], reconstruction: NDArray[np.floating], train: NDArray[np.floating]
) -> float:
    """Return the fraction of variance explained of the ranks among the training rows.

    Parameters
    ----------
    rows, reconstruction
        Finite rows and their reconstruction [m, D] in raw units.
    train
        Finite training rows [n, D] in raw units.

    Returns
    -------
    float
        1 for a perfect reconstruction, 0 for the training median, negative for a reconstruction worse than the median.
    """
    functions = [distribution_function(np.sort(column)) for column in train.T.astype(np.float64)]
    return fraction_explained(*rank_squared_sums(rows, reconstruction, functions))


def distribution_function(ascending: Floats, max_steps: int | None = None) -> DistributionFunction:
    """Return the distribution function of a column.

    Parameters
    ----------
    ascending
        Sorted training values [n].
    max_steps
        With more distinct values than ``max_steps`` + 1, a part of them is selected: F increases by less than
        2 / ``max_steps`` between two selected values, unless no training value is between them. So F of any value has a
        smaller error than this. At most 2 * ``max_steps`` + 1 values are selected. None selects all values.

    Returns
    -------
    values, ranks : numpy.ndarray
        Distinct training values [Q], and F there.
    """
    count = len(ascending)
    starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
    values, ranks = ascending[starts], (starts + np.append(starts[1:], count)) / (2 * count)
    if max_steps is None or len(values) <= max_steps + 1:
        return values, ranks
    grid = np.linspace(ranks[0], ranks[-1], max_steps + 1)
    before_wide_steps = np.flatnonzero(np.diff(ranks) > grid[1] - grid[0])
    selected = np.union1d(np.searchsorted(ranks, grid), before_wide_steps)
    return values[selected], ranks[selected]


def rank_squared_sums(
    rows: NDArray[np.floating], reconstruction: NDArray[np.floating], functions: Iterable[DistributionFunction]
) -> tuple[Floats, Floats]:
    """Return the sums over rows of (F(x) - F(x^))^2 and of (F(x) - 1/2)^2 for each column.

    Parameters
    ----------
    rows, reconstruction
        Finite rows and their reconstruction [m, D] in raw units.
    functions
        Distribution function of each column.

    Returns
    -------
    error, power : numpy.ndarray
        Sums [D].
    """
    sums = [
        (np.square(ranks - np.interp(restored, *function)).sum(), np.square(ranks - 0.5).sum())
        for column, restored, function in zip(rows.T, reconstruction.T, functions, strict=True)
        for ranks in (np.interp(column, *function),)
    ]
    error, power = np.array(sums, dtype=np.float64).reshape(-1, 2).T
    return error, power
