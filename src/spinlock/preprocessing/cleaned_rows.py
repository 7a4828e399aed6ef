"""Rows after cleaning, and what the cleaning changed in them.

Letters: ``n`` rows, ``b`` blocks of rows, ``U`` kept columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ZScores:
    """Clipped z-scores ``values`` float32 [n, D], and a mask ``observed`` [n, D] of finite cells of varying columns."""

    values: NDArray[np.float32]
    observed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class ColumnRanges:
    """Clipped cells, missing cells and range of each column in b blocks of rows.

    Attributes
    ----------
    clipped, missing
        Numbers of clipped cells and of missing cells [b, U], which are NaN or infinite.
    smallest, largest
        Range [b, U] of the finite raw values, NaN in a block without any.
    """

    clipped: NDArray[np.int64]
    missing: NDArray[np.int64]
    smallest: Floats
    largest: Floats

    @classmethod
    def of_block(cls, raw: Floats, finite: NDArray[np.bool_], clipped: NDArray[np.bool_]) -> Self:
        """Measure one block of raw values [n, U] with masks [n, U] of the finite and of the clipped cells."""
        if len(raw) and finite.all():  # the other functions take several times as long
            smallest, largest = np.minimum.reduce(raw), np.maximum.reduce(raw)
            missing = np.zeros(raw.shape[1], dtype=np.int64)
        else:
            smallest = np.fmin.reduce(raw, where=finite, initial=np.nan)
            largest = np.fmax.reduce(raw, where=finite, initial=np.nan)
            missing = len(raw) - np.count_nonzero(finite, axis=0)
        return cls(np.count_nonzero(clipped, axis=0)[None], missing[None], smallest[None], largest[None])

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return the ranges of all blocks of several parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))

    def none(self) -> Self:
        """Return the ranges of no block."""
        return type(self)(*(values[:0] for values in vars(self).values()))


@dataclass(frozen=True, eq=False)
class CleanedRows:
    """Rows after cleaning.

    Attributes
    ----------
    values
        Normalized values float32 [n, U].
    imputed, clipped
        Fractions [n] of the cells of each row that were imputed or clipped.
    ranges
        Clipped and missing cells, and ranges, of the columns.
    """

    values: NDArray[np.float32]
    imputed: Floats
    clipped: Floats
    ranges: ColumnRanges
