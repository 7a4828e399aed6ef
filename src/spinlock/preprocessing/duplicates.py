"""Duplicate columns: two columns whose correlation r on training rows has |r| >= a threshold, and whose ranks agree.

A few extreme rows can determine r. Therefore the absolute rank correlation also has to be at least 0.9. The first of
them in the file is kept. Decoding restores a duplicate j of column i as x_j = offset + slope * x_i, the least-squares
line on training rows.

Letters: ``n`` rows, ``D`` columns, ``U`` usable columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.io.arrays.row_precision import RawRows
from spinlock.metrics.ranks import distribution_function

Floats = NDArray[np.float64]

MIN_RANK_CORRELATION = 0.9
"""Minimum absolute rank correlation of duplicates."""


@dataclass(frozen=True)
class Duplicate:
    """A duplicate column: its values are offset + slope * original, with correlation ``r``.

    ``column`` and ``original`` are the indices of the duplicate and of the kept column.
    """

    column: int
    original: int
    r: float
    slope: float
    offset: float


def correlations(z_blocks: Iterable[Floats], columns: int) -> Floats:
    """Return the correlations r_ij = mean over rows of z_i z_j.

    Parameters
    ----------
    z_blocks
        Blocks [n, U] of z-scored rows.
    columns
        Number of columns U.

    Returns
    -------
    numpy.ndarray
        Correlations [U, U].
    """
    gram = np.zeros((columns, columns))
    rows = 0
    for z in z_blocks:
        gram += z.T @ z
        rows += len(z)
    return gram / rows


def find_duplicates(
    r: Floats,
    columns: NDArray[np.int64],
    mean: Floats,
    std: Floats,
    threshold: float,
    x: RawRows,
) -> list[Duplicate]:
    """Find the duplicates. The original of a duplicate is the kept column with which it correlates most.

    A column that equals its original in every cell gets exactly slope 1 and offset 0.

    Parameters
    ----------
    r
        Correlations [U, U] of the usable columns.
    columns
        Positions [U] of the usable columns.
    mean, std
        Training mean and standard deviation [D] of all columns.
    threshold
        Minimum absolute correlation of two duplicates.
    x
        Raw training rows [n, D].

    Returns
    -------
    list of Duplicate
    """
    kept: list[int] = []
    duplicates: list[Duplicate] = []
    for position in range(len(columns)):
        strength = np.abs(r[position, kept])
        if len(kept) and strength.max() >= threshold - 1e-12:
            original = kept[int(strength.argmax())]
            pair = int(columns[position]), int(columns[original])
            if _ranks_agree(x[:, pair[0]], x[:, pair[1]]):
                duplicates.append(_fit_duplicate(float(r[position, original]), *pair, mean, std, x))
                continue
        kept.append(position)
    return duplicates


def _mean_ranks(column: RawRows) -> Floats:
    """Return ranks [n] divided by n; equal values get their mean rank."""
    values, ranks = distribution_function(np.sort(column))
    return ranks[np.searchsorted(values, column)]


def _ranks_agree(first: RawRows, second: RawRows) -> bool:
    """Return whether the ranks of two columns [n] correlate in the finite cells."""
    finite = np.isfinite(first) & np.isfinite(second)
    if not finite.any():
        return True
    a, b = (ranks - ranks.mean() for ranks in (_mean_ranks(first[finite]), _mean_ranks(second[finite])))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return norm == 0 or abs(float(a @ b)) >= MIN_RANK_CORRELATION * norm


def _fit_duplicate(r: float, column: int, original: int, mean: Floats, std: Floats, x: RawRows) -> Duplicate:
    """Fit the least-squares line of one column on another."""
    if np.array_equal(x[:, column], x[:, original], equal_nan=True):
        return Duplicate(column, original, r=1.0, slope=1.0, offset=0.0)
    slope = r * float(std[column]) / float(std[original])
    return Duplicate(column, original, r, slope, float(mean[column]) - slope * float(mean[original]))
