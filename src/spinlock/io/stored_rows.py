"""The rows of a table that is too large for memory: indexed like an array, read from the file whenever they are asked
for.

Letters: ``n`` rows, ``D`` columns.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.io.features import open_features


class StoredRows:
    """Rows [N, D] in an HDF5 file; at most :attr:`most` of them should be held at once."""

    def __init__(self, path: Path | str, *, family: str, feature_type: str, limit: int) -> None:
        """``limit`` in bytes is what the rows may take in memory; the file stays open, read-only.

        Raises:
            DataError: as :func:`open_features`.
        """
        self._source = open_features(path, family=family, feature_type=feature_type)
        self.limit = limit
        self.row_bytes = 4 * self._source.shape[-1]

    def __len__(self) -> int:
        return self._source.num_rows

    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Float32 [n, D] at ascending positions [n]."""
        return self._source.rows_at(positions)

    @property
    def most(self) -> int:
        """Rows that the limit allows in memory, at least a hundred: fewer say nothing."""
        return max(100, self.limit // self.row_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes in memory for as long as the object lives: none."""
        return 0

    def band(self, rows: int) -> int:
        """Rows of a stretch of the file that is best read at once, about ``rows``: whole chunks."""
        return self._source.band_rows(rows)
