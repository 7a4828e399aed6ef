"""Duplicate columns: two columns whose correlation r on training rows has |r| >= a threshold, and whose ranks agree.

A few extreme rows can determine r. Therefore the absolute rank correlation also has to be at least 0.9. The first of
them in the file is kept. Decoding restores a duplicate j of column i as x_j = offset + slope * x_i, the least-squares
line on training rows.

Letters: ``n`` rows, ``D`` columns, ``U`` usable columns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.io.arrays.row_precision import RawRows
from spinlock.metrics.ranks import distribution_function

Floats = NDArray[np.float64]

ZScoredBlocks = Callable[[], Iterable[Floats]]
"""Function that returns blocks [n, U] of z-scored rows."""

BLOCK_COLUMNS = 1_024
"""Number of columns whose correlations with all earlier columns are computed at once, to limit the memory."""

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


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class CorrelatedColumns:
    """Positions of columns in ascending order, and the correlations ``r`` with them."""

    positions: NDArray[np.int64]
    r: Floats


def correlated_pairs(z_blocks: ZScoredBlocks, columns: int, threshold: float) -> dict[int, CorrelatedColumns]:
    """Find the pairs of columns with |r_ij| >= a threshold, where r_ij is the mean over rows of z_i z_j.

    The matrix of all correlations is computed block by block, so that it is never in memory.

    Parameters
    ----------
    z_blocks
        Function that returns blocks [n, U] of z-scored rows. It is called for each block of columns.
    columns
        Number of columns U.
    threshold
        Minimum absolute correlation.

    Returns
    -------
    dict
        For each column that has such a correlation with an earlier one: these columns, and the correlations with them.
    """
    found: dict[int, CorrelatedColumns] = {}
    for start in range(0, columns, BLOCK_COLUMNS):
        stop = min(columns, start + BLOCK_COLUMNS)
        r, rows = np.zeros((stop - start, stop)), 0
        for z in z_blocks():
            r += z[:, start:stop].T @ z[:, :stop]
            rows += len(z)
        r /= rows
        large = np.tril(np.abs(r) >= threshold, start - 1)
        for row in np.flatnonzero(large.any(1)).tolist():
            positions = np.flatnonzero(large[row])
            found[start + row] = CorrelatedColumns(positions, r[row, positions])
    return found


def find_duplicates(
    z_blocks: ZScoredBlocks,
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
    z_blocks
        Function that returns blocks [n, U] of z-scored rows of the usable columns.
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
    pairs = correlated_pairs(z_blocks, len(columns), threshold - 1e-12)
    is_kept = np.ones(len(columns), dtype=bool)
    duplicates: list[Duplicate] = []
    for position in sorted(pairs):
        originals = is_kept[pairs[position].positions]
        if not originals.any():
            continue
        r = pairs[position].r[originals]
        strongest = int(np.abs(r).argmax())
        original = int(pairs[position].positions[originals][strongest])
        pair = int(columns[position]), int(columns[original])
        if _ranks_agree(x[:, pair[0]], x[:, pair[1]]):
            duplicates.append(_fit_duplicate(float(r[strongest]), *pair, mean, std, x))
            is_kept[position] = False
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
