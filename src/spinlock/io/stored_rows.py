"""Rows of a table that does not fit in memory; they are indexed like an array and read from the file on demand.

Letters: ``R`` rows of the table, ``n`` rows of a block, ``D`` columns.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.io.arrays.row_precision import RawRows
from spinlock.io.features import open_features

MIN_HELD_ROWS = 100
"""Minimum of :attr:`StoredRows.max_rows`, because statistics of fewer rows are not useful."""


class StoredRows:
    """Rows [R, D] in an HDF5 file, which stays open read-only.

    Parameters
    ----------
    path
        HDF5 file.
    family, feature_type
        The table is /features/<family>/<feature_type>/features.
    limit
        Maximum bytes of rows in memory.
    columns
        Positions of the columns in the file; None for all of them.

    Raises
    ------
    DataError
        The file cannot be opened, or has no usable table at this place.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        family: str,
        feature_type: str,
        limit: int,
        columns: NDArray[np.int64] | None = None,
    ) -> None:
        self._source = open_features(path, family=family, feature_type=feature_type)
        self._columns = columns
        self.limit = limit
        self.row_bytes = self._source.dtype.itemsize * self._source.shape[-1]

    def __len__(self) -> int:
        return self._source.num_rows

    def __getitem__(self, positions: NDArray[np.int64]) -> RawRows:
        """Read the rows at ascending positions [n], [n, D]."""
        rows = self._source.rows_at(positions)
        return rows if self._columns is None else rows[:, self._columns].copy(order="C")

    def select(self, columns: NDArray[np.int64]) -> "StoredRows":
        """Return the same rows with some of their columns, in another order. The file still reads all columns."""
        source, place = self._source, columns if self._columns is None else self._columns[columns]
        return StoredRows(
            source.path, family=source.family, feature_type=source.feature_type, limit=self.limit, columns=place
        )

    @property
    def max_rows(self) -> int:
        """Maximum number of rows in memory, at least :data:`MIN_HELD_ROWS`."""
        return max(MIN_HELD_ROWS, self.limit // self.row_bytes)

    @property
    def nbytes(self) -> int:
        """Number of bytes of rows that are held in memory: 0. NumPy arrays have the same attribute."""
        return 0

    def chunk_aligned_rows(self, size: int) -> int:
        """Return a number of rows for one read: about ``size``, in whole chunks of the file."""
        return self._source.chunk_aligned_rows(size)
