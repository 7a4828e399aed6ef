"""Feature tables /features/<family>/<type>/features, [N, D] or [N, M, D], read as flattened float32 rows.

Letters: ``N`` operators, ``M`` rows of one operator (1 for aggregated tables), ``D`` columns, ``n`` rows of a block.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.annotations import AnnotatedFile, label_names, read_groups, read_label
from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.names import column_names, join_names
from spinlock.io.rows import read_rows

AGGREGATED = "aggregated"

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
    path = Path(path)
    file = open_hdf5(path)
    try:
        with reading(path):
            return FeatureSource(path, file, family, feature_type)
    except BaseException:
        file.close()
        raise


class FeatureSource(AnnotatedFile):
    """An open feature table with column ``names`` [D] and the ``shape`` of the file; see :func:`open_features`."""

    def __init__(self, path: Path, file: Any, family: str, feature_type: str) -> None:
        super().__init__(path, file)
        self.family = family
        self.feature_type = feature_type
        group = _group(file, family, feature_type, path)
        self._table = _table(group, feature_type, path)
        self.shape: tuple[int, ...] = tuple(self._table.shape)
        self.names: tuple[str, ...] = column_names(group, self._table, where=f"{path}:{group.name}")
        self._sha256: str | None = None

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

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read the flattened rows [start, stop) as float32 [n, D]; values outside the float32 range become infinite."""
        per_operator = self.rows_per_operator if len(self.shape) == 3 else None
        with reading(self.path):
            rows = read_rows(self._table, start, min(stop, self.num_rows), per_operator=per_operator)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.ascontiguousarray(rows, dtype=np.float32)

    def read_all(self) -> NDArray[np.float32]:
        """Read all flattened rows, float32 [N * M, D]."""
        return self.read(0, self.num_rows)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Iterate over consecutive blocks of rows.

        Memory does not grow with N. Reads end at the borders of the file's chunks, so each chunk is decompressed once.

        Parameters
        ----------
        size
            Number of rows of a block; the last one may be shorter.

        Yields
        ------
        start : int
            Position of the first row.
        rows : numpy.ndarray
            float32 [n, D].
        """
        read_size = self.chunk_aligned_rows(size)
        buffer = np.empty((0, self.shape[-1]), dtype=np.float32)
        position = 0
        for start in range(0, self.num_rows, size):
            stop = min(start + size, self.num_rows)
            while position < stop:
                end = min(position + read_size, self.num_rows)
                rows = self.read(position, end)
                buffer = np.concatenate([buffer, rows]) if len(buffer) else rows
                position = end
            yield start, buffer[: stop - start]
            buffer = buffer[stop - start :]

    def rows_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read scattered rows; parts of the file without these rows are skipped.

        Parameters
        ----------
        positions
            Ascending positions [n] of flattened rows.

        Returns
        -------
        numpy.ndarray
            float32 [n, D].
        """
        values = np.empty((len(positions), self.shape[-1]), dtype=np.float32)
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
        """Return the SHA-256 of the rows, in order, as little-endian float32; it does not depend on the chunks."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for _, rows in self.blocks(HASH_ROWS):
                digest.update(rows.astype("<f4", copy=False).data)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def labels(self) -> tuple[str, ...]:
        """Return the names under /labels that have one value for each operator."""
        with reading(self.path):
            return label_names(self._file, self.num_operators)

    def read_label(self, name: str) -> NDArray[Any]:
        """Read the label ``<name>`` or ``labels/<name>`` [N]; see :func:`spinlock.io.annotations.read_label`."""
        with reading(self.path):
            return read_label(self._file, name, self.num_operators, where=str(self.path))

    def read_groups(self, name: str) -> NDArray[np.int32]:
        """Read a label as group numbers [N]; see :func:`spinlock.io.annotations.read_groups`."""
        with reading(self.path):
            return read_groups(self._file, name, self.num_operators, where=str(self.path))


def _group(file: Any, family: str, feature_type: str, path: Path) -> Any:
    """Return /features/<family>/<feature_type>, or raise an error that names the existing groups."""
    node = file
    for name, key in (("features", ""), (family, "feature_family"), (feature_type, "feature_type")):
        if node.get(name, getclass=True) is not h5py.Group:
            existing = [child for child in node if node.get(child, getclass=True) is h5py.Group]
            expected, remedy = "/features/<family>/<type>", ""
            if existing and key:
                expected, remedy = f"one of the existing groups: {join_names(existing)}", f"set {key}"
            what = f"no group {node.name.rstrip('/')}/{name}"
            raise DataError(what, where=str(path), expected=expected, remedy=remedy)
        node = node[name]
    return node


def _table(group: Any, feature_type: str, path: Path) -> Any:
    """Return the dataset ``features`` of a group, after checking that it is a table of numbers of the right rank."""
    where = f"{path}:{group.name}"
    if group.get("features", getclass=True) is not h5py.Dataset:
        raise DataError(
            "no dataset 'features'",
            where=where,
            expected=f"a dataset of this name; the group contains {join_names(list(group))}",
        )
    table = group["features"]
    where = f"{where}/features"
    letters = {AGGREGATED: "[N, D]", "per_trajectory": "[N, M, D]", "per_timestep": "[N, T, D]"}
    expected = letters.get(feature_type, "[N, M, D]")
    shape = table.shape
    if shape is None or len(shape) != expected.count(",") + 1:
        raise DataError(f"shape {shape}", where=where, expected=f"{expected} for {feature_type}")
    if table.dtype.kind not in "fiub":
        raise DataError(f"contains {_type_name(table.dtype)}", where=where, expected="real numbers")
    if 0 in shape:
        raise DataError(f"shape {shape} has no {'columns' if shape[-1] == 0 else 'rows'}", where=where)
    return table


def _type_name(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype in error messages, for example ``text`` instead of ``object``."""
    if dtype.kind in "OS":
        return "text" if h5py.check_string_dtype(dtype) else "objects"
    return {"V": "compound records", "c": "complex numbers"}.get(dtype.kind, str(dtype))
