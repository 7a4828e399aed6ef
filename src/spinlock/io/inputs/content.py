"""The content of any HDF5 file: its groups, datasets, links and attributes, without the values of its datasets.

Links are named and not followed, and the sources of virtual datasets are not opened.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from spinlock.errors import printable, shortened
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile

MAX_ENTRIES, MAX_ATTRIBUTES = 50, 12
"""Maximum number of entries that are described, and of attributes of each of them."""

MAX_COUNTED = 10_000
"""Maximum number of entries that are counted, because a file can contain millions."""

MAX_PATH_LENGTH = 200
"""Maximum number of characters of a path in the description of an entry."""

MAX_ATTRIBUTE_BYTES = 4096
"""Maximum size of an attribute whose value is read; of a larger one only the shape and the type are stated."""

FAILURES = (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError)
"""Errors of h5py for one damaged or unusual object, which does not prevent the description of the others."""


@dataclass(frozen=True)
class Entry:
    """One group, dataset or link of a file; texts are short and without control characters.

    Attributes
    ----------
    path
        Path in the file.
    text
        What it is, for example ``dataset (100, 4) float32``.
    attributes
        Names and values of its attributes.
    """

    path: str
    text: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Content:
    """The content of a file.

    Attributes
    ----------
    entries
        The first :data:`MAX_ENTRIES` entries, level by level; the first one is the root group.
    more
        Number of the other entries.
    is_complete
        Whether all entries were counted.
    """

    entries: tuple[Entry, ...]
    more: int
    is_complete: bool


def read_content(file: InputFile) -> Content:
    """Describe the content of an open file.

    Raises
    ------
    DataError
        The root group cannot be read.
    """
    entries: list[Entry] = []
    count = 0
    with reading(file.path):
        for path, parent, name in _walk(file):
            count += 1
            if count <= MAX_ENTRIES:
                entries.append(_entry(path, parent, name))
            elif count > MAX_COUNTED:
                break
    return Content(tuple(entries), min(count, MAX_COUNTED) - len(entries), count <= MAX_COUNTED)


def _walk(file: InputFile) -> Iterator[tuple[str, Any, bytes]]:
    """Yield the path, the group and the name of each entry, level by level; each group is visited once."""
    root = file.find("/")
    assert root is not None, "every file has a root group"
    yield "/", root.object.id, b"."
    visited, groups = {_address(root.object.id)}, deque([("", root.object.id)])
    while groups:
        path, group = groups.popleft()
        for name in _names(group):
            inner = f"{path}/{_decoded(name)}"
            yield inner, group, name
            child = _opened_group(group, name)
            if child is not None and _address(child) not in visited:
                visited.add(_address(child))
                groups.append((inner, child))


def _names(group: Any) -> list[bytes]:
    """Return the names in a group, at most :data:`MAX_COUNTED` + 1; a damaged group has none."""
    names: list[bytes] = []

    def add(name: bytes) -> bool | None:
        names.append(name)
        return True if len(names) > MAX_COUNTED else None

    try:
        group.links.iterate(add)
    except FAILURES:
        return names
    return names


def _opened_group(group: Any, name: bytes) -> Any:
    """Return the group at a hard link, or None if there is something else, or something damaged."""
    try:
        if (
            group.links.get_info(name).type != h5py.h5l.TYPE_HARD
            or h5py.h5o.get_info(group, name).type != h5py.h5o.TYPE_GROUP
        ):
            return None
        return h5py.h5g.open(group, name)
    except FAILURES:
        return None


def _address(group: Any) -> int:
    return int(h5py.h5o.get_info(group).addr)


def _entry(path: str, parent: Any, name: bytes) -> Entry:
    """Describe one entry; a link is named."""
    path = printable(shortened(path, MAX_PATH_LENGTH))
    try:
        kind = h5py.h5l.TYPE_HARD if name == b"." else parent.links.get_info(name).type
        if kind == h5py.h5l.TYPE_HARD:
            identifier = h5py.h5o.open(parent, name)
            return Entry(path, _object_text(identifier), tuple(_attributes(identifier)))
        if kind == h5py.h5l.TYPE_SOFT:
            return Entry(path, f"soft link to {_shown(parent.links.get_val(name))}")
        if kind == h5py.h5l.TYPE_EXTERNAL:
            file_name, target = parent.links.get_val(name)
            return Entry(path, f"external link to {_shown(target)} of the file {_shown(file_name)}")
        return Entry(path, "link of an unknown type")
    except FAILURES:
        return Entry(path, "cannot be read")


def _object_text(identifier: Any) -> str:
    """Return what a group, a dataset or a named type is."""
    if isinstance(identifier, h5py.h5g.GroupID):
        count = identifier.get_num_objs()
        return f"group of {count} {'entry' if count == 1 else 'entries'}"
    if not isinstance(identifier, h5py.h5d.DatasetID):
        return "named type"
    settings = identifier.get_create_plist()
    is_virtual = settings.get_layout() == h5py.h5d.VIRTUAL
    # The space of a virtual dataset would open its sources; that of its first mapping is a copy in this file.
    described = is_virtual and settings.get_virtual_count() > 0
    space = settings.get_virtual_vspace(0) if described else identifier.get_space()
    storage = "virtual " if is_virtual else "externally stored " if settings.get_external_count() else ""
    return f"{storage}dataset {_shape_text(space)} {_type_text(identifier.get_type())}"


def _shape_text(space: Any) -> str:
    return "without a value" if space.get_simple_extent_type() == h5py.h5s.NULL else str(space.shape)


def _type_text(stored: Any) -> str:
    """Return the name of a type: that of NumPy, or that of HDF5 if NumPy has no such type."""
    try:
        dtype: np.dtype[Any] = stored.dtype
    except FAILURES:
        return f"HDF5 type {type(stored).__name__.removeprefix('Type').removesuffix('ID').lower()}"
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if dtype.kind == "O":
        return "references" if h5py.check_ref_dtype(dtype) is not None else "lists of variable length"
    return _shown(str(dtype))


def _attributes(identifier: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of the first attributes of an object, and then the number of the others."""
    names: list[bytes] = []

    def add(name: bytes) -> bool | None:
        names.append(name)
        return True if len(names) == MAX_ATTRIBUTES else None

    h5py.h5a.iterate(identifier, add)
    for name in names:
        try:
            yield _shown(name), _value_text(h5py.h5a.open(identifier, name), identifier, name)
        except FAILURES:
            yield _shown(name), "cannot be read"
    more = h5py.h5a.get_num_attrs(identifier) - len(names)
    if more:
        yield "...", f"{more:,} more attributes"


def _value_text(attribute: Any, identifier: Any, name: bytes) -> str:
    """Return the value of an attribute, or its shape and type if it is large or not of numbers or text."""
    kind = _type_text(attribute.get_type())
    dtype = None if kind.startswith("HDF5 type") else attribute.dtype
    is_text = dtype is not None and h5py.check_string_dtype(dtype) is not None
    is_small = h5py.h5a.get_info(identifier, name).data_size <= MAX_ATTRIBUTE_BYTES
    if dtype is None or not is_small or not (is_text or dtype.kind in "fiubc"):
        return f"{_shape_text(attribute.get_space())} {kind}"
    value = h5py.AttributeManager(_Located(identifier))[name]
    if isinstance(value, h5py.Empty):
        return "without a value"
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return _shown(value if isinstance(value, bytes | str) else str(value))


@dataclass(frozen=True)
class _Located:
    """The part of an h5py object that its attributes need."""

    id: Any


def _decoded(text: bytes | str) -> str:
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text


def _shown(text: bytes | str) -> str:
    """Return a text of a file, short and without control characters."""
    return printable(shortened(_decoded(text)))
