"""Result files that are written block by block, in row order, and appear only when the last row is there.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
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
"""Uncompressed; small beside HDF5's chunk cache, so that blocks may end inside a chunk."""

Attribute = str | int | float


class Annotated(Protocol):
    """An open file that knows more of its operators than the rows: a feature table or a token file."""

    def copy_annotations(self, target: h5py.File) -> None:
        """Carry /parameters, /labels and /metadata over to ``target``."""


class RowFile:
    """A new HDF5 file whose datasets [N, ...] or [N, M, ...] are filled by consecutive blocks of rows.

    A context manager: on success the file is renamed into place, on any failure nothing is left. Subclasses
    lay the datasets out in ``_lay_out`` and give each block to ``_append``.
    """

    def __init__(
        self,
        path: Path | str,
        shape: tuple[int, ...],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        annotations: Annotated | None = None,
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
        """Add attributes of the file, such as counts that are known only after the last block."""
        for name, value in attributes.items():
            self._file.attrs[name] = value

    def _lay_out(self) -> None:
        raise NotImplementedError

    def _create(self, name: str, inner: tuple[int, ...], dtype: Any, *, compressed: bool = False) -> None:
        """A dataset of the file's shape and that of one row, [N, (M,) *inner]."""
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
        """The next rows of several datasets at once."""
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
            self._lay_out()
            self.set_attributes({"program_version": program_version(), "created": _now(), **self._attributes})
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
    """Chunks of about :data:`CHUNK_BYTES` over [N] or [N, M] rows: whole operators where these fit."""
    rows = max(1, CHUNK_BYTES // row_bytes)
    inner = tuple(min(size, rows) for size in shape[1:])
    return (min(shape[0], max(1, rows // int(np.prod(inner, dtype=int)))), *inner)


def text(values: Sequence[str]) -> NDArray[Any]:
    """Strings as h5py stores UTF-8 text of any length."""
    return np.array(list(values), dtype=h5py.string_dtype())


def program_version() -> str:
    """The installed version of this program, or ``unknown`` when it runs from a bare source tree."""
    try:
        return version("spinlock")
    except PackageNotFoundError:
        return "unknown"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
