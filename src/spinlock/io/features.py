"""Feature tables: /features/<family>/<type>/features, [N, D] or [N, M, D], read as flattened float32 rows.

Letters: ``N`` operators, ``M`` rows of one operator (1 for aggregated tables), ``D`` columns, ``n`` rows of a
block.
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
from spinlock.io.names import column_names, listed
from spinlock.io.rows import read_rows

AGGREGATED = "aggregated"

ROWS_AT_ONCE = 8192

BAND_BYTES = 128 * 2**20
"""Most bytes of raw table that one read takes in, whatever the chunks of the file look like."""


def open_features(path: Path | str, *, family: str = "sdf", feature_type: str = AGGREGATED) -> "FeatureSource":
    """The table /features/<family>/<feature_type>/features, opened read-only; a context manager.

    Raises:
        DataError: the file cannot be opened, or holds no usable table there; one line says which and what is
        there.
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
    """An open feature table; see :func:`open_features`. ``names`` [D], ``shape`` as in the file."""

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
        """N."""
        return self.shape[0]

    @property
    def rows_per_operator(self) -> int:
        """M: realizations or time steps; 1 for aggregated tables."""
        return self.shape[1] if len(self.shape) == 3 else 1

    @property
    def num_rows(self) -> int:
        """N * M."""
        return self.num_operators * self.rows_per_operator

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Flattened rows [start, stop) as float32 [n, D]; what float32 cannot hold becomes inf."""
        per_operator = self.rows_per_operator if len(self.shape) == 3 else None
        with reading(self.path):
            rows = read_rows(self._table, start, min(stop, self.num_rows), per_operator=per_operator)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.ascontiguousarray(rows, dtype=np.float32)

    def read_all(self) -> NDArray[np.float32]:
        """All rows, float32 [N * M, D]."""
        return self.read(0, self.num_rows)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """(start, float32 [n, D]) for consecutive blocks of ``size`` rows; the last one is shorter.

        Memory does not grow with N. Reads end at the edges of the file's chunks, so that each chunk is
        decompressed once.
        """
        band = self.band_rows(size)
        held = np.empty((0, self.shape[-1]), dtype=np.float32)
        position = 0
        for start in range(0, self.num_rows, size):
            stop = min(start + size, self.num_rows)
            while position < stop:
                reach = min(position + band, self.num_rows)
                fresh = self.read(position, reach)
                held = np.concatenate([held, fresh]) if len(held) else fresh
                position = reach
            yield start, held[: stop - start]
            held = held[stop - start :]

    def rows_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """The flattened rows at some ascending positions [n], float32 [n, D]; what lies far from them is not read."""
        found = np.empty((len(positions), self.shape[-1]), dtype=np.float32)
        band = self.band_rows(ROWS_AT_ONCE)
        done = 0
        while done < len(positions):
            first = int(positions[done])
            reach = min((first // band + 1) * band, self.num_rows)
            until = int(np.searchsorted(positions, reach))
            chosen = positions[done:until]
            last = int(chosen[-1]) + 1
            found[done:until] = self.read(first, last)[chosen - first]
            done = until
        return found

    def band_rows(self, size: int) -> int:
        """Rows of one read: whole chunks, at least about a block of ``size``, at most :data:`BAND_BYTES`."""
        chunk = int(self._table.chunks[0] if self._table.chunks else 1) * self.rows_per_operator
        most = max(1, BAND_BYTES // (self.shape[-1] * max(4, int(self._table.dtype.itemsize))))
        if chunk > most:
            return most
        return chunk * max(1, min(size, most) // chunk)

    def sha256(self) -> str:
        """SHA-256 of the rows, in order, as little-endian float32; the file's chunking does not matter."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for _, rows in self.blocks(4096):
                digest.update(rows.astype("<f4", copy=False).data)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def labels(self) -> tuple[str, ...]:
        """The names under /labels that hold one value for each operator."""
        with reading(self.path):
            return label_names(self._file, self.num_operators)

    def read_label(self, name: str) -> NDArray[Any]:
        """/labels/<name> [N]; text as str. ``name`` may be written with the leading ``labels/``.

        Raises:
            DataError: there is no such label, or not one value for each operator.
        """
        with reading(self.path):
            return read_label(self._file, name, self.num_operators, where=str(self.path))

    def read_groups(self, name: str) -> NDArray[np.int32]:
        """The same as numbers [N]: the place of each operator's label among the distinct ones, sorted."""
        with reading(self.path):
            return read_groups(self._file, name, self.num_operators, where=str(self.path))


def _group(file: Any, family: str, feature_type: str, path: Path) -> Any:
    """/features/<family>/<feature_type>, or an error that names what is there instead."""
    node = file
    for part, key in (("features", ""), (family, "feature_family"), (feature_type, "feature_type")):
        if node.get(part, getclass=True) is not h5py.Group:
            inside = [name for name in node if node.get(name, getclass=True) is h5py.Group]
            raise DataError(
                f"no group {node.name.rstrip('/')}/{part}",
                where=str(path),
                expected=f"one of what is there: {listed(inside)}" if inside and key else "/features/<family>/<type>",
                remedy=f"set {key}" if inside and key else "",
            )
        node = node[part]
    return node


def _table(group: Any, feature_type: str, path: Path) -> Any:
    """The dataset ``features`` of ``group``, if it is a table of numbers of the right rank."""
    where = f"{path}:{group.name}"
    if group.get("features", getclass=True) is not h5py.Dataset:
        raise DataError(
            "no dataset 'features'", where=where, expected=f"one beside what is there: {listed(list(group))}"
        )
    table = group["features"]
    where = f"{where}/features"
    letters = {AGGREGATED: "[N, D]", "per_trajectory": "[N, M, D]", "per_timestep": "[N, T, D]"}
    wanted = letters.get(feature_type, "[N, M, D]")
    shape = table.shape
    if shape is None or len(shape) != wanted.count(",") + 1:
        raise DataError(f"shape {shape}", where=where, expected=f"{wanted} for {feature_type}")
    if table.dtype.kind not in "fiub":
        raise DataError(f"holds {_type_name(table.dtype)}", where=where, expected="real numbers")
    if 0 in shape:
        raise DataError(f"shape {shape} has no {'columns' if shape[-1] == 0 else 'rows'}", where=where)
    return table


def _type_name(dtype: np.dtype[Any]) -> str:
    """What a user calls a dtype: text rather than object."""
    if dtype.kind in "OS":
        return "text" if h5py.check_string_dtype(dtype) else "objects"
    return {"V": "compound records", "c": "complex numbers"}.get(dtype.kind, str(dtype))
