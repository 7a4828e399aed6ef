"""One dataset of an input file, after all checks; reading converts missing cells to NaN.

A cell is missing if it equals an attribute ``_FillValue`` or ``missing_value`` of the dataset, or if it was never
written and the file does not choose the value of such cells (a fill value of HDF5).
"""

import math
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.inputs.fill_values import fill_values
from spinlock.io.inputs.storage import Box, Storage, UnwrittenCells

SEARCHED_CELLS = 2**24
"""Approximate number of cells that are searched at a time for cells that were never written."""


class InputDataset:
    """A checked dataset; see :meth:`spinlock.io.inputs.file.InputFile.dataset`.

    If it is read ``as_stored``, as labels are, attributes for missing cells do not apply, and cells that were never
    written have the fill value of HDF5.

    Attributes
    ----------
    shape
        Shape, or None for a dataset without a value.
    dtype
        Type of the stored values.
    chunks
        Shape of a chunk, or None.
    unwritten_cells
        Cells that were never written, or None.
    fill_values, fill_cells
        Values that stand for missing cells, and the number of such cells that were read.
    where
        File and name, for messages.
    """

    def __init__(
        self, dataset: Any, storage: Storage, where: str, note: Callable[[str], None], *, as_stored: bool = False
    ) -> None:
        self._dataset = dataset
        self._storage = storage
        self.where = where
        self.shape: tuple[int, ...] | None = dataset.shape
        self.dtype = storage.dtype
        self.chunks = storage.chunks
        self.is_text = h5py.check_string_dtype(self.dtype) is not None
        inner = math.prod(storage.shape[1:])
        self.unwritten_cells: UnwrittenCells | None = storage.unwritten_cells(max(1, SEARCHED_CELLS // max(1, inner)))
        self.fill_cells = 0
        self.fill_values: set[Any] = set()
        for owner in () if as_stored else (storage, *_all_sources(storage)):
            self.fill_values |= fill_values(owner.dataset.attrs, self.dtype, owner.where, note)
        unwritten = self.unwritten_cells
        if unwritten is not None:
            if unwritten.count == math.prod(storage.shape) and not storage.author_chose_fill_value:
                raise DataError("contains no values, because none was ever written", where=where)
            is_number = storage.author_chose_fill_value and not (self.dtype.kind == "f" and np.isnan(dataset.fillvalue))
            is_number |= as_stored
            meaning = f"are read as {dataset.fillvalue!s}" if is_number else "count as missing"
            if self.dtype.kind not in "fiub":
                meaning = "are empty"
            note(
                f"{dataset.name}: rows {unwritten.ranges} contain {unwritten.count} cells that were never written; "
                f"these cells {meaning}"
            )

    @property
    def attributes(self) -> Any:
        """Attributes of the dataset."""
        return self._dataset.attrs

    def read(self, *selection: slice | int) -> NDArray[Any]:
        """Read stored values; ``selection`` are slices or positions of the first axes."""
        self._check_inflated(selection)
        return np.asarray(self._dataset[selection])

    def read_text(self, *selection: slice | int) -> NDArray[Any]:
        """Read text as an array of str; invalid UTF-8 is replaced."""
        self._check_inflated(selection)
        return np.asarray(self._dataset.asstr(errors="replace")[selection], dtype=np.str_)

    def __getitem__(self, selection: slice | int | tuple[slice | int, ...]) -> NDArray[Any]:
        """Read numbers, with NaN in missing cells; integers with missing cells become float64."""
        selection = selection if isinstance(selection, tuple) else (selection,)
        values = self.read(*selection)
        missing = self._missing(values, selection)
        if missing is None:
            return values
        values = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
        values[missing] = np.nan
        return values

    def _missing(self, values: NDArray[Any], selection: tuple[slice | int, ...]) -> NDArray[np.bool_] | None:
        """Return which of the values that were read are missing, or None."""
        missing: NDArray[np.bool_] | None = None
        if self.unwritten_cells is not None and self.shape is not None:
            box = _box(selection, self.shape)
            mask = self._storage.unwritten(box, missing_only=True)
            if mask is not None:
                missing = mask.reshape(values.shape)
        for fill in self.fill_values:
            equal = values == fill
            if equal.any():
                self.fill_cells += int(equal.sum())
                missing = equal if missing is None else missing | equal
        return missing

    def why_missing(self, *selection: slice | int) -> str:
        """Return why values of a selection are missing, as the end of a sentence, or no text if none is."""
        box = _box(selection, self.shape or ())
        if self._storage.unwritten(box, missing_only=True) is not None:
            return "were never written"
        values = self.read(*selection)
        found = [fill for fill in self.fill_values if (values == fill).any()]
        return f"equal the fill value {found[0]:g} of its attributes" if found else ""

    def _check_inflated(self, selection: tuple[slice | int, ...]) -> None:
        """Check large compressed chunks before HDF5 inflates them."""
        for storage in (self._storage, *_all_sources(self._storage)):
            if storage.filtered is not None and storage.shape:
                first = selection[0] if selection and storage is self._storage else slice(None)
                rows = _box((first,), storage.shape[:1])[0]
                storage.filtered.check_inflated(rows.start, rows.stop)


def _all_sources(storage: Storage) -> list[Storage]:
    """Return the sources of a virtual dataset, also of its sources."""
    return [inner for _, source in storage.sources for inner in (source, *_all_sources(source))]


def _box(selection: tuple[slice | int, ...], shape: tuple[int, ...]) -> Box:
    """Return a selection as one slice with start and stop for each axis."""
    parts: list[slice] = []
    for axis, size in enumerate(shape):
        part = selection[axis] if axis < len(selection) else slice(None)
        start, stop, _ = (slice(part, part + 1) if isinstance(part, int) else part).indices(size)
        parts.append(slice(start, max(start, stop)))
    return tuple(parts)
