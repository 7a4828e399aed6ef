"""Feature tables /features/<family>/<type>/features, [N, D] or [N, M, D], read as flattened rows.

Letters: ``N`` operators, ``M`` rows of one operator (1 for aggregated tables), ``D`` columns, ``n`` rows of a block.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.annotations import AnnotatedFile, count_values, label_names, read_groups, read_label
from spinlock.io.arrays.row_precision import RawRows, RowDigest, as_rows, row_dtype
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.column_names import column_names
from spinlock.io.inputs.feature_group import AGGREGATED, find_group, find_table
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import join_names
from spinlock.io.rows import read_rows

BLOCK_ROWS = 8192
"""Number of rows that are read together when scattered rows are read."""

HASH_ROWS = 4096
"""Number of rows that are hashed at the same time."""

MAX_READ_BYTES = 128 * 2**20
"""Maximum bytes of one read, for every chunk size of the file."""


def open_features(path: Path | str, *, family: str = "sdf", feature_type: str = AGGREGATED) -> "FeatureSource":
    """Open the table /features/<family>/<feature_type>/features read-only.

    Parameters
    ----------
    path
        HDF5 file.
    family, feature_type
        The table is /features/<family>/<feature_type>/features.

    Returns
    -------
    FeatureSource
        A context manager.

    Raises
    ------
    DataError
        The file cannot be opened, or has no usable table at this place; the message names the existing groups.
    """
    file = InputFile.open(path)
    try:
        with reading(file.path):
            return FeatureSource(file, family, feature_type)
    except BaseException:
        file.close()
        raise


class FeatureSource(AnnotatedFile):
    """An open feature table; see :func:`open_features`.

    Attributes
    ----------
    names
        Names [D] of the columns.
    shape
        Shape of the table in the file.
    dtype
        Type of the rows: float32, or float64 if the stored values need it.
    """

    def __init__(self, file: InputFile, family: str, feature_type: str) -> None:
        super().__init__(file)
        self.family = family
        self.feature_type = feature_type
        group = find_group(file, family, feature_type)
        self._table = find_table(file, group, feature_type)
        self.shape: tuple[int, ...] = self._table.shape or ()
        self.names: tuple[str, ...] = column_names(file, group, self._table)
        self.dtype = row_dtype(self._table.dtype)
        self._sha256: str | None = None

    @property
    def unwritten_cells(self) -> int:
        """Number of cells that were never written."""
        return 0 if self._table.unwritten_cells is None else self._table.unwritten_cells.count

    @property
    def unwritten_rows(self) -> str:
        """Positions along the first axis with cells that were never written, for example ``200-299``, or no text."""
        return "" if self._table.unwritten_cells is None else self._table.unwritten_cells.ranges

    @property
    def fill_cells(self) -> int:
        """Number of cells read since the last call of :meth:`blocks` that equal a fill attribute."""
        return self._table.fill_cells

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the content that was read."""
        if self.fill_cells == 0:
            return super().notes
        values = [f"{value:g}" for value in sorted(self._table.fill_values)]
        which = "the fill value" if len(values) == 1 else "one of the fill values"
        return (
            *super().notes,
            f"{self.fill_cells} cells equal {which} {join_names(values)} and count as missing",
        )

    @property
    def num_operators(self) -> int:
        """Number of operators, N."""
        return self.shape[0]

    @property
    def rows_per_operator(self) -> int:
        """Number of realizations or time steps, M; 1 for aggregated tables."""
        return self.shape[1] if len(self.shape) == 3 else 1

    @property
    def num_rows(self) -> int:
        """Number of flattened rows, N * M."""
        return self.num_operators * self.rows_per_operator

    def read(self, start: int, stop: int) -> RawRows:
        """Read the flattened rows [start, stop), [n, D]; values outside the float32 range become infinite."""
        per_operator = self.rows_per_operator if len(self.shape) == 3 else None
        with reading(self.path):
            rows = read_rows(self._table, start, min(stop, self.num_rows), per_operator=per_operator)
        return as_rows(rows, self.dtype)

    def read_all(self) -> RawRows:
        """Read all flattened rows, [N * M, D]."""
        return self.read(0, self.num_rows)

    def blocks(self, size: int, part: range | None = None) -> Iterator[tuple[int, RawRows]]:
        """Iterate over consecutive blocks of rows.

        Memory does not grow with N. Reads end at the borders of the file's chunks, so each chunk is decompressed once.

        Parameters
        ----------
        size
            Number of rows of a block; the last one may be shorter.
        part
            Positions of the rows to read, which are consecutive; all rows by default.

        Yields
        ------
        start : int
            Position of the first row.
        rows : numpy.ndarray
            Rows [n, D].
        """
        read_size = self.chunk_aligned_rows(size)
        buffer: RawRows = np.empty((0, self.shape[-1]), dtype=self.dtype)
        self._table.fill_cells = 0
        part = range(self.num_rows) if part is None else part
        position = part.start
        for start in range(part.start, part.stop, size):
            stop = min(start + size, part.stop)
            while position < stop:
                end = min((position // read_size + 1) * read_size, part.stop)
                rows = self.read(position, end)
                buffer = np.concatenate([buffer, rows]) if len(buffer) else rows
                position = end
            yield start, buffer[: stop - start]
            buffer = buffer[stop - start :]

    def rows_at(self, positions: NDArray[np.int64]) -> RawRows:
        """Read scattered rows; parts of the file without these rows are skipped.

        Parameters
        ----------
        positions
            Ascending positions [n] of flattened rows.

        Returns
        -------
        numpy.ndarray
            Rows [n, D].
        """
        values = np.empty((len(positions), self.shape[-1]), dtype=self.dtype)
        read_size = self.chunk_aligned_rows(BLOCK_ROWS)
        start = 0
        while start < len(positions):
            first = int(positions[start])
            end = min((first // read_size + 1) * read_size, self.num_rows)
            stop = int(np.searchsorted(positions, end))
            selected = positions[start:stop]
            last = int(selected[-1]) + 1
            values[start:stop] = self.read(first, last)[selected - first]
            start = stop
        return values

    def chunk_aligned_rows(self, size: int) -> int:
        """Return a number of rows for one read: about ``size``, in whole chunks, at most :data:`MAX_READ_BYTES`."""
        chunk = int(self._table.chunks[0] if self._table.chunks else 1) * self.rows_per_operator
        max_rows = max(1, MAX_READ_BYTES // (self.shape[-1] * max(4, int(self._table.dtype.itemsize))))
        if chunk > max_rows:
            return max_rows
        return chunk * max(1, min(size, max_rows) // chunk)

    def sha256(self) -> str:
        """Return the SHA-256 of the rows; see :class:`spinlock.io.arrays.row_precision.RowDigest`."""
        if self._sha256 is None:
            self._sha256 = RowDigest.of_blocks(rows for _, rows in self.blocks(HASH_ROWS))
        return self._sha256

    def labels(self) -> tuple[str, ...]:
        """Return the names under /labels that have one value for each operator."""
        with reading(self.path):
            return label_names(self._file, self.num_operators)

    def read_label(self, name: str) -> NDArray[Any]:
        """Read the label ``<name>`` or ``labels/<name>`` [N]; see :func:`spinlock.io.annotations.read_label`."""
        with reading(self.path):
            return read_label(self._file, name, self.num_operators, where=str(self.path))

    def count_values(self, name: str, limit: int) -> dict[Any, int] | None:
        """Count the values of a label [N]; see :func:`spinlock.io.annotations.count_values`."""
        with reading(self.path):
            return count_values(self._file, name, self.num_operators, limit, where=str(self.path))

    def read_groups(self, name: str) -> NDArray[np.int32]:
        """Read a label as group numbers [N]; see :func:`spinlock.io.annotations.read_groups`."""
        with reading(self.path):
            return read_groups(self._file, name, self.num_operators, where=str(self.path))
