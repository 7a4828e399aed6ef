"""Precision of raw rows: float32, or float64 if the table stores numbers that float32 cannot represent.

A time in seconds or a pressure in pascals can vary in digits that float32 does not have. Therefore rows of a table of
float64 or of wide integers stay float64 until they are centered; all other rows are float32.

Letters: ``n`` rows, ``D`` columns.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

RawRows = NDArray[np.float32] | NDArray[np.float64]
"""Raw rows [n, D]."""


def row_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of the rows of a table whose stored values have ``dtype``."""
    is_wide = dtype.itemsize > 4 if dtype.kind == "f" else dtype.kind in "iu" and dtype.itemsize >= 4
    return np.dtype(np.float64 if is_wide else np.float32)


def as_rows(values: NDArray[Any], dtype: np.dtype[Any]) -> RawRows:
    """Convert stored values to rows.

    Parameters
    ----------
    values
        Real numbers [n, D].
    dtype
        float32 or float64.

    Returns
    -------
    numpy.ndarray
        Rows [n, D] in C order. In both precisions, values outside the range of float32 are infinite or 0.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single: NDArray[np.float32] = np.ascontiguousarray(values, dtype=np.float32)
        if dtype == np.float32:
            return single
        rows: NDArray[np.float64] = np.ascontiguousarray(values, dtype=np.float64)
    outside = ~np.isfinite(single) | (single == 0)
    return np.where(outside, single, rows) if outside.any() else rows


class RowDigest:
    """SHA-256 of rows, in order, which does not depend on the blocks in which they are added.

    It is the hash of the rows as little-endian float32. If some value is not a float32 number, the hash of the rounding
    errors (value minus float32, as float32) is appended, and the result is the hash of both. So a table has the same
    hash in float32 and in float64, and tables that differ only in the digits beyond the precision of float32 have
    different ones.
    """

    def __init__(self) -> None:
        self._rounded, self._errors = hashlib.sha256(), hashlib.sha256()
        self._is_exact = True

    @classmethod
    def of(cls, rows: RawRows) -> str:
        """Return the hash of all rows of a table."""
        return cls.of_blocks([rows])

    @classmethod
    def of_blocks(cls, blocks: Iterable[RawRows]) -> str:
        """Return the hash of the rows of several blocks, in order."""
        digest = cls()
        for rows in blocks:
            digest.update(rows)
        return digest.hexdigest()

    def update(self, rows: RawRows) -> None:
        """Add rows [n, D]."""
        single = rows.astype("<f4", copy=False)
        self._rounded.update(np.ascontiguousarray(single).data)
        if rows.dtype == np.float64:
            with np.errstate(invalid="ignore"):
                errors = np.nan_to_num(rows - single, nan=0.0, posinf=0.0, neginf=0.0).astype("<f4")
            self._is_exact = self._is_exact and not errors.any()
            self._errors.update(errors.data)

    def hexdigest(self) -> str:
        """Return the hash of all rows that were added."""
        if self._is_exact:
            return self._rounded.hexdigest()
        return hashlib.sha256(self._rounded.digest() + self._errors.digest()).hexdigest()
