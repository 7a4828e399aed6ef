"""Copying of groups and datasets to another file, as data: what lies behind a link is copied, never the link."""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spinlock.errors import DataError
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile, Node

BLOCK_BYTES = 2**24
"""Number of bytes that are copied at a time."""


class TreeCopy:
    """Copies objects of an input file to an open output file.

    What cannot be copied, such as a broken link, becomes a note of the input file. An object with several links is
    copied once, and the copy gets as many links.

    Parameters
    ----------
    source
        The input file.
    target
        The output file, an ``h5py.File``.
    """

    def __init__(self, source: InputFile, target: Any) -> None:
        self._source = source
        self._target = target
        self._copies: dict[tuple[Path, int], str] = {}

    def copy(self, name: str) -> None:
        """Copy the object at ``name``, with everything below it, unless the target has such an object already."""
        if name not in self._target:
            self._copy(name, ())

    def _copy(self, name: str, above: tuple[tuple[Path, int], ...]) -> None:
        """Copy one object; ``above`` identifies the groups that contain it."""
        try:
            node = self._source.find(name)
            if node is None:
                return
            place = (node.file.path, h5py.h5o.get_info(node.object.id).addr)
            if place in above:
                self._source.note(f"{name} was not copied, because it contains itself")
                return
            if place in self._copies:
                self._target[name] = self._target[self._copies[place]]
                return
            self._copies[place] = name
            if not node.is_group:
                self._copy_dataset(node, name)
                return
        except DataError as error:
            self._source.note(f"{name} was not copied: {error}")
            return
        _copy_attributes(node.object, self._target.create_group(name), f"{node.file.path}:/{name}")
        for child in node.object:
            self._copy(f"{name}/{child}", (*above, place))

    def _copy_dataset(self, node: Node, name: str) -> None:
        """Copy a dataset. It is copied as it is stored if its values are in its own file.

        Text, and a dataset with cells that were never written, are checked first.
        """
        stored, where = node.object, f"{node.file.path}:/{name}"
        is_dataset = isinstance(stored, h5py.Dataset)
        if is_dataset and (stored.is_virtual or stored.external):
            self._copy_values(node.file.checked(node, where, as_stored=True), stored, name)
            return
        if is_dataset:
            kind = stored.id.get_type()
            if kind.detect_class(h5py.h5t.REFERENCE):
                raise DataError("contains references to other objects", where=where)
            if _is_incomplete(stored) or kind.detect_class(h5py.h5t.VLEN) or kind.detect_class(h5py.h5t.STRING):
                node.file.checked(node, where, as_stored=True)
        node.file.copy_object(stored, self._target, name)
        copy = self._target[name]
        for attribute in _attributes_with_references(stored):
            del copy.attrs[attribute]

    def _copy_values(self, dataset: InputDataset, stored: Any, name: str) -> None:
        """Copy the values of a dataset whose values lie in other files."""
        if dataset.shape is None:
            return
        copy = self._target.create_dataset(name, dataset.shape, dataset.dtype, chunks=True if dataset.shape else None)
        row_bytes = int(np.prod(dataset.shape[1:], dtype=np.int64)) * dataset.dtype.itemsize
        step = max(1, BLOCK_BYTES // max(1, row_bytes))
        for start in range(0, dataset.shape[0], step) if dataset.shape else ():
            block = slice(start, min(start + step, dataset.shape[0]))
            copy[block] = dataset.read(block)
        if not dataset.shape:
            copy[()] = dataset.read()
        _copy_attributes(stored, copy, dataset.where)


def _copy_attributes(source: Any, target: Any, where: str) -> None:
    """Copy the attributes of an object; references to other objects have no meaning in another file and are omitted."""
    omitted = _attributes_with_references(source)
    for name in _attribute_types(source):
        if name in omitted:
            continue
        try:
            target.attrs[name] = source.attrs[name]
        except (OSError, TypeError, ValueError) as error:
            raise DataError(f"has an attribute {name!r} that cannot be read", where=where) from error


def _attribute_types(source: Any) -> dict[str, Any]:
    """Return the HDF5 type of each attribute, by index, because HDF5 cannot list the attributes of external data."""
    opened = (h5py.h5a.open(source.id, index=index) for index in range(h5py.h5a.get_num_attrs(source.id)))
    return {stored.name.decode("utf-8", "surrogateescape"): stored.get_type() for stored in opened}


def _attributes_with_references(source: Any) -> list[str]:
    """Return the names of the attributes that contain references, also as a member of a compound or of a list."""
    return [name for name, kind in _attribute_types(source).items() if kind.detect_class(h5py.h5t.REFERENCE)]


def _is_incomplete(dataset: Any) -> bool:
    """Return whether some chunk of a dataset, or all of it, was never written."""
    if not dataset.shape or 0 in dataset.shape:
        return False
    if dataset.chunks is None:
        return bool(dataset.id.get_storage_size() == 0)
    grid = (-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return bool(dataset.id.get_num_chunks() < math.prod(grid))
