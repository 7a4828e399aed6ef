"""Virtual datasets and external storage: which part of which other file is read where.

Terms: a *selection* is a part of a dataset as HDF5 describes it; a virtual dataset maps selections of its sources to
selections of itself.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.inputs.folders import Folders, beside

UNLIMITED = 2**63
"""Counts from here on mean that a selection continues to the end of its axis."""


@dataclass(frozen=True)
class Selection:
    """A regular selection: along each axis ``count`` blocks of ``block`` cells, ``stride`` apart, from ``start``."""

    start: tuple[int, ...]
    stride: tuple[int, ...]
    count: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def ends(self) -> tuple[int | None, ...]:
        """End of the selection along each axis, or None if it continues to the end of the axis."""
        parts = zip(self.start, self.stride, self.count, self.block, strict=True)
        return tuple(
            None if max(count, block) >= UNLIMITED else start + stride * (count - 1) + block
            for start, stride, count, block in parts
        )

    def along(self, axis: int, size: int) -> NDArray[np.int64]:
        """Return the selected positions along an axis of ``size`` cells, ascending."""
        start, stride, block = self.start[axis], self.stride[axis], min(self.block[axis], size)
        count = min(self.count[axis], max(0, -(-(size - start) // stride)))
        positions = (start + stride * np.arange(count)[:, None] + np.arange(block)).ravel()
        return positions[positions < size]

    def positions(self, box: tuple[slice, ...], shape: tuple[int, ...]) -> list[NDArray[np.int64]] | None:
        """Return the selected positions in a box along each axis, relative to the box, or None if there are none."""
        result = []
        for axis, part in enumerate(box):
            if self.start[axis] >= part.stop:
                return None
            along = self.along(axis, shape[axis])
            result.append(along[(along >= part.start) & (along < part.stop)] - part.start)
            if not len(result[-1]):
                return None
        return result


@dataclass(frozen=True)
class SourceMapping:
    """One source of a virtual dataset.

    Attributes
    ----------
    file_name, dataset_name
        The source; the file name ``.`` is the file of the virtual dataset itself.
    targets, sources
        Selections of the virtual dataset and of the source, whose cells correspond in order. ``sources`` is None if
        all of the source is read.
    """

    file_name: str
    dataset_name: str
    targets: tuple[Selection, ...]
    sources: tuple[Selection, ...] | None

    def fits(self, shape: tuple[int, ...], source_shape: tuple[int, ...]) -> bool:
        """Return whether the source has all cells that are read; an endless selection always fits.

        Parameters
        ----------
        shape, source_shape
            Shapes of the virtual dataset and of the source.
        """
        if self.sources is None:
            return self.cells(shape) == math.prod(source_shape)
        parts = ((s.ends, source_shape) for s in self.sources)
        return all(
            len(ends) == len(sizes) and all(end is None or end <= size for end, size in zip(ends, sizes, strict=True))
            for ends, sizes in parts
        )

    def cells(self, shape: tuple[int, ...]) -> int:
        """Return the number of cells of the virtual dataset that this source fills."""
        return sum(
            math.prod(len(target.along(axis, size)) for axis, size in enumerate(shape)) for target in self.targets
        )

    def copy_mask(
        self,
        inner: NDArray[np.bool_],
        mask: NDArray[np.bool_],
        box: tuple[slice, ...],
        shape: tuple[int, ...],
        where: str,
    ) -> None:
        """Mark in ``mask`` [box] of the virtual dataset the cells that ``inner`` marks in the source.

        Raises
        ------
        DataError
            The source's selection has another shape, so that it is not known which cells correspond.
        """
        sources = (_all_cells(inner.shape),) if self.sources is None else self.sources
        for target, source in zip(self.targets, sources, strict=False):
            along = [target.along(axis, size) for axis, size in enumerate(shape)]
            read = [source.along(axis, size) for axis, size in enumerate(inner.shape)]
            lengths = [[len(axis) for axis in side if len(axis) != 1] for side in (along, read)]
            if len(self.targets) != len(sources) or lengths[0] != lengths[1]:
                raise DataError(
                    f"reads cells of {self.file_name} that were never written, and it is not clear which rows they are",
                    where=where,
                    remedy="write them, or store the dataset without virtual sources",
                )
            values = inner[np.ix_(*read)].reshape([len(axis) for axis in along])
            inside = [(axis >= part.start) & (axis < part.stop) for axis, part in zip(along, box, strict=True)]
            places = [axis[keep] - part.start for axis, keep, part in zip(along, inside, box, strict=True)]
            mask[np.ix_(*places)] = values[np.ix_(*inside)]


def read_mappings(dataset: Any, where: str) -> Iterator[SourceMapping]:
    """Yield the sources of a virtual dataset.

    Raises
    ------
    DataError
        A source is named by a pattern, or is an arbitrary list of cells.
    """
    for source in dataset.virtual_sources():
        if "%" in source.file_name.replace("%%", "") or "%" in source.dset_name.replace("%%", ""):
            raise DataError(
                f"reads files that it names by the pattern {source.file_name!r}",
                where=where,
                expected="the name of each file",
                remedy="create the dataset again, or copy it with its values (h5repack)",
            )
        targets, sources = _selections(source.vspace, where), _selections(source.src_space, where)
        yield SourceMapping(
            source.file_name.replace("%%", "%"),
            source.dset_name.replace("%%", "%"),
            (_all_cells(dataset.shape),) if targets is None else targets,
            sources,
        )


def check_external(identifier: Any, folders: Folders, path: Path, where: str) -> tuple[list[str], Path]:
    """Check the raw files that hold the values of a dataset.

    HDF5 reads bytes beyond the end of a raw file as zeros. A segment of unlimited size holds all bytes that are not in
    the segments before it.

    Returns
    -------
    names : list of str
        Names of the raw files.
    folder : Path
        The folder to which the names are relative.

    Raises
    ------
    DataError
        A file is missing, outside the allowed folders, or shorter than the dataset expects.
    """
    settings = identifier.get_create_plist()
    names, folder = list[str](), beside(path)[0]
    remaining = math.prod(identifier.shape) * identifier.get_type().get_size()
    for index in range(settings.get_external_count()):
        raw_name, offset, size = settings.get_external(index)
        names.append(raw_name.decode("utf-8", "surrogateescape") if isinstance(raw_name, bytes) else raw_name)
        file = folders.locate(names[-1], path, where)
        folder = next((each for each in beside(path) if (each / names[-1]).exists()), folder)
        held = min(size, remaining)
        remaining -= held
        needed = offset + held if held else 0
        if file.stat().st_size < needed:
            raise DataError(
                f"reads {needed} bytes of {names[-1]!r}, which has {file.stat().st_size}",
                where=where,
                remedy="copy this file again",
            )
    if remaining:
        raise DataError(f"names raw files that lack {remaining} bytes of its values", where=where)
    return names, folder


def _all_cells(shape: tuple[int, ...]) -> Selection:
    """Return the selection of all cells of a dataset."""
    ones = (1,) * len(shape)
    return Selection((0,) * len(shape), ones, ones, shape)


def _selections(space: Any, where: str) -> tuple[Selection, ...] | None:
    """Return a selection of HDF5 as regular selections, or None if it is all of a dataset."""
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return None
    if kind == h5py.h5s.SEL_NONE:
        return ()
    if kind != h5py.h5s.SEL_HYPERSLABS:
        raise DataError("reads an arbitrary list of cells", where=where, expected="blocks of cells")
    if space.is_regular_hyperslab():
        return (Selection(*(tuple(int(n) for n in values) for values in space.get_regular_hyperslab())),)
    ones = (1,) * len(space.shape)
    return tuple(
        Selection(tuple(int(n) for n in first), ones, ones, tuple(int(n) for n in last - first + 1))
        for first, last in np.asarray(space.get_select_hyper_blocklist())
    )
