"""Columns that say the same thing: |r| >= a threshold over the training rows; the first in the file is kept.

A duplicate j of column i is given back as x_j = offset + slope * x_i, the least-squares line over the
training rows. Letters: ``n`` rows, ``D`` columns, ``U`` usable ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Twin:
    """Column ``column`` is offset + slope * (column ``of``), with correlation ``r``."""

    column: int
    of: int
    r: float
    slope: float
    offset: float


def correlations(z_blocks: Iterable[Floats], columns: int) -> Floats:
    """r [U, U] = mean over rows of z_i z_j, from blocks [n, U] of z-scored rows."""
    gram = np.zeros((columns, columns))
    rows = 0
    for z in z_blocks:
        gram += z.T @ z
        rows += len(z)
    return gram / rows


def find_twins(
    r: Floats,
    columns: NDArray[np.int64],
    mean: Floats,
    std: Floats,
    threshold: float,
    x: NDArray[np.float32],
) -> list[Twin]:
    """The duplicates among ``columns`` [U] with correlations [U, U]; ``mean``, ``std`` [D], raw ``x`` [n, D].

    Each duplicate points to the kept column that it correlates with most. Columns that are equal cell by cell
    have slope 1 and offset 0 exactly.
    """
    kept: list[int] = []
    twins: list[Twin] = []
    for position in range(len(columns)):
        strength = np.abs(r[position, kept])
        if len(kept) and strength.max() >= threshold - 1e-12:
            first = kept[int(strength.argmax())]
            twins.append(_twin(float(r[position, first]), int(columns[position]), int(columns[first]), mean, std, x))
        else:
            kept.append(position)
    return twins


def _twin(r: float, column: int, of: int, mean: Floats, std: Floats, x: NDArray[np.float32]) -> Twin:
    if np.array_equal(x[:, column], x[:, of], equal_nan=True):
        return Twin(column, of, r=1.0, slope=1.0, offset=0.0)
    slope = r * float(std[column]) / float(std[of])
    return Twin(column, of, r, slope, float(mean[column]) - slope * float(mean[of]))
