"""How a dataset is stored: its type, its declared size, its compression, and the cells that were never written.

HDF5 reads cells that were never written as fill values, allocates what a file declares, and inflates a chunk to any
size. All of this is checked when the dataset is opened, from the metadata of the file.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.inputs.compression import Chunks, check_filters
from spinlock.io.inputs.virtual import SourceMapping
from spinlock.io.names import join_names

Box = tuple[slice, ...]
"""A part of a dataset: one slice with start and stop for each axis."""

SMALL_BYTES, SMALL_ROWS = 2**32, 2**27
"""Datasets up to this declared size are accepted without a comparison with the stored bytes."""

MAX_EXPANSION = 1100
"""Maximum ratio of declared and stored bytes of a larger dataset; deflate reaches 1032."""

NETCDF_FILL = 9.969209968386869e36
NETCDF_INTEGER_FILLS = {
    "int8": -127,
    "int16": -32767,
    "int32": -2147483647,
    "int64": -9223372036854775806,
    "uint8": 255,
    "uint16": 65535,
    "uint32": 4294967295,
    "uint64": 18446744073709551614,
}
"""Fill values that the netCDF library sets if the author chooses none: of floating-point numbers, and of integers."""


@dataclass(frozen=True)
class UnwrittenCells:
    """Cells that were never written: ``count`` of them, in the ranges ``rows`` of the first axis."""

    count: int
    rows: tuple[tuple[int, int], ...]

    @property
    def ranges(self) -> str:
        """The ranges, for example ``0-99, 200``."""
        return join_names([f"{start}-{stop - 1}" if stop - start > 1 else f"{start}" for start, stop in self.rows])


@dataclass
class Storage:
    """The checked storage of one dataset.

    Parameters
    ----------
    dataset
        The HDF5 dataset.
    where
        File and name, for messages.

    Raises
    ------
    DataError
        The type, the declared size or the compression cannot be used.
    """

    dataset: Any
    where: str
    sources: list[tuple[SourceMapping, "Storage"]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dtype = _numpy_type(self.dataset, self.where)
        self.shape: tuple[int, ...] = tuple(self.dataset.shape or ())
        self.chunks: tuple[int, ...] | None = self.dataset.chunks
        self.filtered: Chunks | None = None
        self._written: NDArray[np.bool_] | None = None
        self._never_written = False
        if self.dataset.shape is None or self.dataset.is_virtual:
            return
        self._check_declared(self.dataset.id.get_storage_size())
        if self.chunks is not None:
            filters = check_filters(self.dataset, self.where)
            self.filtered = Chunks(self.dataset, filters, self.where)
            self._written = self.filtered.check_sizes_and_find_written()
        elif not self.dataset.id.get_create_plist().get_external_count():
            self._never_written = math.prod(self.shape) > 0 and self.dataset.id.get_storage_size() == 0

    @property
    def author_chose_fill_value(self) -> bool:
        """Whether the author of the file chose the value of cells that were never written."""
        settings = self.dataset.id.get_create_plist()
        if settings.fill_value_defined() != h5py.h5d.FILL_VALUE_USER_DEFINED:
            return False
        if self.dtype.kind == "f":
            return not np.isclose(float(self.dataset.fillvalue), NETCDF_FILL, rtol=1e-6)
        return self.dtype.kind not in "iu" or self.dataset.fillvalue != NETCDF_INTEGER_FILLS.get(self.dtype.name)

    def add_source(self, mapping: SourceMapping, source: "Storage") -> None:
        """Add the source of a part of a virtual dataset, after a check of its size."""
        if not mapping.fits(self.shape, source.shape):
            raise DataError(
                f"reads {mapping.dataset_name} of {mapping.file_name}, which has shape {source.shape}",
                where=self.where,
                expected="a dataset that contains all cells that are read",
                remedy="create the dataset again",
            )
        self.sources.append((mapping, source))

    def check_coverage(self) -> None:
        """Check that the sources of a virtual dataset cover more than a tiny part of its declared size."""
        self._check_declared(sum(mapping.cells(self.shape) for mapping, _ in self.sources) * self.dtype.itemsize)

    def unwritten(self, box: Box, *, missing_only: bool) -> NDArray[np.bool_] | None:
        """Return which cells of a box were never written, or None if all were.

        Parameters
        ----------
        box
            Part of the dataset.
        missing_only
            Whether cells with a fill value that the author chose count as written.
        """
        if self.dataset.shape is None or (missing_only and self.author_chose_fill_value and not self.sources):
            return None
        if self.sources or self.dataset.is_virtual:
            mask = self._unwritten_virtual(box, missing_only)
        elif self._never_written:
            mask = np.ones([axis.stop - axis.start for axis in box], dtype=np.bool_)
        elif self._written is None or self.chunks is None:
            return None
        else:
            mask = self._written[
                tuple(slice(s.start // c, -(-s.stop // c)) for s, c in zip(box, self.chunks, strict=True))
            ]
            if mask.all():
                return None
            mask = ~mask
            for axis, (part, size) in enumerate(zip(box, self.chunks, strict=True)):
                skipped = part.start - part.start // size * size
                mask = np.repeat(mask, size, axis).take(range(skipped, skipped + part.stop - part.start), axis)
        return mask if mask.any() else None

    def unwritten_cells(self, block_rows: int) -> UnwrittenCells | None:
        """Return the cells that were never written, or None; ``block_rows`` rows are searched at a time."""
        if self.dataset.shape is None or not self.shape or 0 in self.shape:
            return None
        if not self._never_written and not self.dataset.is_virtual and (self._written is None or self._written.all()):
            return None
        count, ranges = 0, list[tuple[int, int]]()
        for start in range(0, self.shape[0], block_rows):
            stop = min(start + block_rows, self.shape[0])
            mask = self.unwritten((slice(start, stop), *(slice(0, n) for n in self.shape[1:])), missing_only=False)
            if mask is None:
                continue
            count += int(mask.sum())
            for first, last in _runs(mask.reshape(stop - start, -1).max(axis=1)):
                if ranges and ranges[-1][1] == start + first:
                    ranges[-1] = ranges[-1][0], start + last
                else:
                    ranges.append((start + first, start + last))
        return UnwrittenCells(count, tuple(ranges)) if count else None

    def _unwritten_virtual(self, box: Box, missing_only: bool) -> NDArray[np.bool_]:
        """Return the cells of a virtual dataset without a source, or whose source was not written there."""
        deliberate = missing_only and self.author_chose_fill_value
        mask = np.full([axis.stop - axis.start for axis in box], not deliberate, dtype=np.bool_)
        for mapping, source in self.sources:
            for target in mapping.targets:
                positions = target.positions(box, self.shape)
                if positions is not None:
                    mask[np.ix_(*positions)] = False
            inner = source.unwritten(tuple(slice(0, size) for size in source.shape), missing_only=missing_only)
            if inner is not None:
                mapping.copy_mask(inner, mask, box, self.shape, self.where)
        return mask

    def _check_declared(self, stored: int) -> None:
        """Raise a :class:`DataError` if the stored bytes cannot fill the declared shape."""
        declared = math.prod(self.shape) * self.dtype.itemsize
        is_large = declared > SMALL_BYTES or max(self.shape[:1], default=0) > SMALL_ROWS
        if is_large and declared > MAX_EXPANSION * stored:
            raise DataError(
                f"declares {declared / 1e9:,.1f} GB of values, shape {self.shape}, but stores {stored / 1e6:,.1f} MB",
                where=self.where,
                expected="a dataset that is mostly written",
                remedy="create it with the number of rows that are written",
            )


def _numpy_type(dataset: Any, where: str) -> np.dtype[Any]:
    """Return the dtype of a dataset, or raise an error if NumPy has no such type."""
    try:
        dtype: np.dtype[Any] = dataset.dtype
        return dtype
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        kind = type(dataset.id.get_type()).__name__.removeprefix("Type").removesuffix("ID").lower()
        raise DataError(
            f"has the HDF5 type {kind} of {dataset.id.get_type().get_size()} bytes, which NumPy does not have",
            where=where,
            expected="integers of at most 64 bits, floating-point numbers that NumPy has, or text",
            remedy="convert the dataset to such a type",
        ) from error


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the ranges [start, stop) of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
