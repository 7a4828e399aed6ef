"""Output files that are written block by block in the order of the rows, and that appear when all rows are written.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.io.hdf5 import writing_hdf5
from spinlock.io.rows import write_rows

CHUNK_BYTES = 2**18
"""Uncompressed bytes of a chunk. Chunks fit in the chunk cache of HDF5, so that blocks can end inside a chunk."""

Attribute = str | int | float


class AnnotationSource(Protocol):
    """An open file with annotations of its operators: a feature table or a token file."""

    def copy_annotations(self, target: h5py.File) -> None:
        """Copy /parameters, /labels and /metadata to ``target``."""


class RowFile:
    """A new HDF5 file with datasets [N, ...] or [N, M, ...] that are written in consecutive blocks of rows.

    It is a context manager: on success the file is renamed to its path, and on a failure it is removed. Subclasses
    create the datasets in ``_create_datasets`` and pass each block to ``_append``. The file contains no time, so that
    the same rows, attributes and blocks give the same bytes.

    Parameters
    ----------
    path
        File to write.
    shape
        (N,) or (N, M).
    attributes
        Attributes of the file.
    annotations
        Open file whose annotations are copied.
    overwrite
        Whether an existing file is replaced.
    """

    def __init__(
        self,
        path: Path | str,
        shape: tuple[int, ...],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        annotations: AnnotationSource | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.shape = shape
        self.rows_written = 0
        self._attributes = dict(attributes or {})
        self._annotations = annotations
        self._overwrite = overwrite
        self._stack = ExitStack()
        self._file: Any = None
        self._datasets: dict[str, Any] = {}

    def set_attributes(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes of the file, for example counts that are known only after the last block."""
        for name, value in attributes.items():
            # bytes of a path that are not UTF-8 are escaped, since HDF5 cannot store them as text
            text = value.encode(errors="backslashreplace").decode() if isinstance(value, str) else None
            self._file.attrs[name] = value if text is None else text

    def _create_datasets(self) -> None:
        """Create all datasets of the file; a subclass defines it."""
        raise NotImplementedError

    def _create(self, name: str, inner: tuple[int, ...], dtype: Any, *, compressed: bool = False) -> None:
        """Create a dataset [N, *inner] or [N, M, *inner]."""
        shape = (*self.shape, *inner)
        options: dict[str, Any] = {}
        if compressed:
            row_bytes = int(np.prod(inner, dtype=int)) * np.dtype(dtype).itemsize
            options = {
                "chunks": chunk_shape(self.shape, row_bytes) + inner,
                "compression": "gzip",
                "compression_opts": 1,
                "shuffle": np.dtype(dtype).itemsize > 1,
            }
        self._datasets[name] = self._file.create_dataset(name, shape=shape, dtype=dtype, **options)

    def _append(self, blocks: Mapping[str, NDArray[Any]]) -> None:
        """Write the next rows of several datasets."""
        per_operator = self.shape[1] if len(self.shape) == 2 else None
        counts = {len(values) for values in blocks.values()}
        if len(counts) != 1 or self.rows_written + max(counts) > int(np.prod(self.shape)):
            raise ValueError(f"blocks of {sorted(counts)} rows after {self.rows_written} do not fit {self.shape}")
        for name, values in blocks.items():
            write_rows(self._datasets[name], self.rows_written, values, per_operator=per_operator)
        self.rows_written += counts.pop()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._file = stack.enter_context(writing_hdf5(self.path, overwrite=self._overwrite))
            self._create_datasets()
            self.set_attributes({"program_version": program_version(), **self._attributes})
            if self._annotations is not None:
                self._annotations.copy_annotations(self._file)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None:
                raise error
            if self.rows_written != int(np.prod(self.shape)):
                raise ValueError(f"{self.rows_written} rows written of {self.shape}")


def chunk_shape(shape: tuple[int, ...], row_bytes: int) -> tuple[int, ...]:
    """Return the shape of chunks of about :data:`CHUNK_BYTES`; small operators are not divided.

    Parameters
    ----------
    shape
        (N,) or (N, M).
    row_bytes
        Bytes of one row.

    Returns
    -------
    tuple of int
        Chunk size along each axis of ``shape``.
    """
    rows = max(1, CHUNK_BYTES // row_bytes)
    inner = tuple(min(size, rows) for size in shape[1:])
    return (min(shape[0], max(1, rows // int(np.prod(inner, dtype=int)))), *inner)


def utf8_array(values: Sequence[str]) -> NDArray[Any]:
    """Return strings as an array that h5py stores as variable-length UTF-8 text."""
    return np.array(list(values), dtype=h5py.string_dtype())


def program_version() -> str:
    """Return the installed version of this program, or ``unknown`` if it runs from a source tree."""
    try:
        return version("spinlock")
    except PackageNotFoundError:
        return "unknown"
