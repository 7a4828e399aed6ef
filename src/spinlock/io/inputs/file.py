"""An input file whose links are followed one by one and checked.

HDF5 follows soft links, external links and virtual datasets to any file of the machine without a check. Therefore no
other module gives a path of several components, or a link, to HDF5.
"""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.folders import Folders
from spinlock.io.inputs.opening import open_file, open_object
from spinlock.io.inputs.storage import Storage
from spinlock.io.inputs.virtual import read_mappings
from spinlock.io.names import join_names

MAX_LINKS = 32
"""Maximum number of links on the way to one object; a longer chain is treated as a cycle."""


@dataclass
class _Opened:
    """What all files of one dataset share: allowed folders, open files by path, names of files that are read, notes."""

    folders: Folders
    files: dict[Path, "InputFile"] = field(default_factory=dict)
    reads: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A group or dataset and the file that contains it, which can differ from the file that links to it."""

    file: "InputFile"
    object: Any

    @property
    def is_group(self) -> bool:
        """Whether the object is a group."""
        return isinstance(self.object, h5py.Group)

    @property
    def attributes(self) -> Any:
        """Attributes of the object."""
        return self.object.attrs


class InputFile:
    """An open HDF5 file, read-only; a context manager that also closes the files to which it links.

    Attributes
    ----------
    path
        The file.
    """

    def __init__(self, path: Path, handle: Any, opened: _Opened) -> None:
        self.path = path
        self._handle = handle
        self._opened = opened

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a file.

        Raises
        ------
        DataError
            The file is missing, not readable, not HDF5, or locked.
        """
        path = Path(path)
        return cls(path, open_file(path), _Opened(Folders.of(path)))

    @property
    def attributes(self) -> Any:
        """Attributes of the file."""
        return self._handle.attrs

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the content that was opened, for example rows that were never written."""
        reads = list(self._opened.reads)
        return (*([f"the file also reads {join_names(reads)}"] if reads else []), *self._opened.notes)

    def note(self, text: str) -> None:
        """Add a note, once."""
        self._opened.notes[text] = None

    def close(self) -> None:
        """Close the file and the files to which it links; a second call does nothing."""
        for other in self._opened.files.values():
            other._handle.close()
        self._opened.files.clear()
        self._handle.close()

    def names(self, group: str = "/") -> list[str]:
        """Return the names in a group, also of broken links; an object that is not a group has none."""
        node = self.find(group)
        with reading(self.path):
            return list(node.object) if node is not None and node.is_group else []

    def find(self, name: str) -> Node | None:
        """Return the group or dataset at ``name``, or None if there is none.

        Raises
        ------
        DataError
            A link on the way is broken, leads outside the allowed folders, or leads back to itself.
        """
        with reading(self.path):
            return self._walk(Node(self, self._handle), name, MAX_LINKS)

    def dataset(self, name: str) -> InputDataset:
        """Return a checked dataset.

        Raises
        ------
        DataError
            There is no dataset of this name, or it cannot be read safely.
        """
        node = self.find(name)
        where = f"{self.path}:/{name.strip('/')}"
        if node is None:
            raise DataError("no such dataset", where=where)
        if node.is_group:
            raise DataError("is a group", where=where, expected="a dataset")
        return self.checked(node, where)

    def copy_object(self, stored: Any, target: Any, name: str) -> None:
        """Copy an object of this file, as it is stored, to another file."""
        with reading(self.path):
            self._handle.copy(stored, target, name=name)

    def checked(self, node: Node, where: str, *, as_stored: bool = False) -> InputDataset:
        """Return the dataset at a node after all checks; see :class:`~spinlock.io.inputs.dataset.InputDataset`."""
        with reading(self.path):
            return InputDataset(node.object, self._storage(node, where, ()), where, self.note, as_stored=as_stored)

    def _storage(self, node: Node, where: str, above: tuple[tuple[Path, int], ...]) -> Storage:
        """Check how a dataset is stored; ``above`` are the virtual datasets that read it, as file and address."""
        if not isinstance(node.object, h5py.Dataset):
            raise DataError("is neither a group nor a dataset", where=where, expected="a dataset")
        storage = Storage(node.object, where)
        if not node.object.is_virtual:
            return storage
        place = (Path(node.file._handle.filename).resolve(), h5py.h5o.get_info(node.object.id).addr)
        if place in above:
            raise DataError("is a virtual dataset that reads itself", where=where, remedy="create the dataset again")
        for mapping in read_mappings(node.object, where):
            file = node.file if mapping.file_name == "." else node.file._other(mapping.file_name, where)
            source = file._walk(Node(file, file._handle), mapping.dataset_name, MAX_LINKS)
            if source is None or source.is_group:
                raise DataError(
                    f"reads {mapping.dataset_name!r} of {mapping.file_name!r}, which does not exist",
                    where=where,
                    remedy="create the dataset again",
                )
            inner = file._storage(source, f"{file.path}:{mapping.dataset_name}", (*above, place))
            if source.object.external:  # HDF5 looks for the raw files of a source in the working directory only
                raise DataError(
                    f"reads {mapping.dataset_name} of {mapping.file_name}, whose values are in raw files",
                    where=where,
                    expected="sources that contain their values",
                    remedy="write this source again, with its values",
                )
            storage.add_source(mapping, inner)
        storage.check_coverage()
        return storage

    def _other(self, name: str, where: str) -> "InputFile":
        """Return another file that this file names, after a check; it is opened once."""
        path = self._opened.folders.locate(name, self.path, where)
        if path == Path(self._handle.filename).resolve():
            return self
        if path not in self._opened.files:
            self._opened.files[path] = type(self)(path, open_file(path), self._opened)
            self._opened.reads[name] = None
        return self._opened.files[path]

    def _walk(self, start: Node, name: str, links_left: int) -> Node | None:
        """Follow ``name`` from a group, component by component; see :meth:`find`."""
        node = Node(start.file, start.file._handle["/"]) if name.startswith("/") else start
        for part in name.split("/"):
            if part in ("", "."):
                continue
            if not node.is_group:
                return None
            found = self._child(node, part, links_left)
            if found is None:
                return None
            node = found
        return node

    def _child(self, node: Node, part: str, links_left: int) -> Node | None:
        """Return the object of one link in a group, or None if the group has no such link."""
        key = part.encode("utf-8", "surrogateescape")
        links = node.object.id.links
        if not links.exists(key):
            return None
        where = f"{node.file.path}:{node.object.name.rstrip('/')}/{part}"
        kind, opened = links.get_info(key).type, node.file._opened
        if kind == h5py.h5l.TYPE_HARD:
            found, names = open_object(node.object.id, key, opened.folders, node.file.path, where)
            opened.reads.update(dict.fromkeys(names))
            return Node(node.file, found)
        if kind not in (h5py.h5l.TYPE_SOFT, h5py.h5l.TYPE_EXTERNAL):
            raise DataError("is a link of an unknown type", where=where)
        if links_left == 0:
            raise DataError(f"is a chain of more than {MAX_LINKS} links", where=where, remedy="create the link again")
        if kind == h5py.h5l.TYPE_SOFT:
            start, target = node, _text(links.get_val(key))
        else:
            name, target = (_text(value) for value in links.get_val(key))
            other = node.file._other(name, where)
            start, target = Node(other, other._handle), "/" + target.lstrip("/")
        end = start.file._walk(start, target, links_left - 1)
        if end is None:
            raise DataError(
                f"is a broken link to {target!r}", where=where, remedy="create the link again, or remove it"
            )
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
