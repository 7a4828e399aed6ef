"""Annotations of the operators in a file: /parameters, /labels and /metadata, which are copied to derived files.

Letters: ``N`` operators.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.copying import TreeCopy
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import join_names

BLOCK_LABELS = 1 << 13
"""Number of labels that are read at the same time, because a Python string needs much more memory than its letters."""

ANNOTATION_GROUPS = ("parameters", "labels", "metadata")


class AnnotatedFile:
    """An open HDF5 file with annotations; a context manager that closes it."""

    def __init__(self, file: InputFile) -> None:
        self.path: Path = file.path
        self._file = file

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the content that was read, for example rows that were never written."""
        return self._file.notes

    @property
    def has_parameters(self) -> bool:
        """Whether the file has parameters of its operators that can be read; a broken link counts as no parameters."""
        try:
            with reading(self.path):
                return self._file.find("parameters/params") is not None
        except DataError:
            return False  # copy_annotations notes what cannot be copied

    def copy_annotations(self, target: h5py.File) -> None:
        """Copy /parameters, /labels and /metadata, values and attributes, to ``target``.

        What lies behind a link is copied as data. What cannot be copied becomes a note.
        """
        with reading(self.path):
            tree = TreeCopy(self._file, target)
            for name in ANNOTATION_GROUPS:
                tree.copy(name)

    def file_attributes(self) -> dict[str, Any]:
        """Return the attributes of the file, such as the program version and the command line that wrote it.

        Arrays become lists. The value of an attribute that cannot be read is None.
        """
        with reading(self.path):
            return {name: _attribute(self._file.attributes, name) for name in self._file.attributes}

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def label_names(file: InputFile, num_operators: int) -> tuple[str, ...]:
    """Return the names of the datasets under /labels that have one value for each of N operators.

    A label that cannot be read becomes a note of the file.
    """
    names = []
    try:
        existing = file.names("labels")
    except DataError as error:  # /labels itself is a broken link
        file.note(str(error))
        existing = []
    for name in existing:
        try:
            node = file.find(f"labels/{name}")
        except DataError as error:
            file.note(str(error))
            continue
        if node is not None and getattr(node.object, "shape", None) == (num_operators,):
            names.append(name)
    return tuple(names)


def read_label(file: InputFile, name: str, num_operators: int, *, where: str) -> NDArray[Any]:
    """Read a label of the operators.

    Parameters
    ----------
    file
        Open input file.
    name
        ``<name>`` or ``labels/<name>``.
    num_operators
        Number of operators N.
    where
        Name of the file for error messages.

    Returns
    -------
    numpy.ndarray
        Values [N]; text as str.

    Raises
    ------
    DataError
        The label does not exist, or it is not one text or number for each operator.
    """
    return _values(_label(file, name, num_operators, where))


def read_operator_label(path: Path | str, name: str, num_operators: int) -> NDArray[Any]:
    """Read a label [N] of the operators of a file; the arguments and errors are those of :func:`read_label`."""
    with InputFile.open(path) as file, reading(file.path):
        return read_label(file, name, num_operators, where=str(path))


def read_groups(file: InputFile, name: str, num_operators: int, *, where: str) -> NDArray[np.int32]:
    """Read a label as group numbers: the rank of each value among the distinct values.

    The label is read in blocks, because the text of millions of labels would need more memory than the features.

    Parameters
    ----------
    file, name, num_operators, where
        As for :func:`read_label`.

    Returns
    -------
    numpy.ndarray
        Group numbers [N]; all NaN are one group.

    Raises
    ------
    DataError
        As for :func:`read_label`.
    """
    dataset = _label(file, name, num_operators, where)
    number_of: dict[Any, int] = {}
    labels: list[Any] = []
    groups = np.empty(num_operators, dtype=np.int32)
    for start in range(0, num_operators, BLOCK_LABELS):
        distinct, inverse = np.unique(_values(dataset, slice(start, start + BLOCK_LABELS)), return_inverse=True)
        keys = [label if label == label else "nan" for label in distinct.tolist()]  # NaN is not equal to itself
        for key, label in zip(keys, distinct.tolist(), strict=True):
            if number_of.setdefault(key, len(labels)) == len(labels):
                labels.append(label)
        numbers = np.array([number_of[key] for key in keys], dtype=np.int32)
        groups[start : start + BLOCK_LABELS] = numbers[inverse]
    rank = np.empty(len(labels), dtype=np.int32)
    rank[np.argsort(np.array(labels), kind="stable")] = np.arange(len(labels), dtype=np.int32)
    return rank[groups]


def count_values(file: InputFile, name: str, num_operators: int, limit: int, *, where: str) -> dict[Any, int] | None:
    """Count the values of a label, in blocks.

    Parameters
    ----------
    file, name, num_operators, where
        As for :func:`read_label`.
    limit
        Maximum number of distinct values.

    Returns
    -------
    dict or None
        {value: count}, or None if there are more distinct values.

    Raises
    ------
    DataError
        As for :func:`read_label`.
    """
    dataset = _label(file, name, num_operators, where)
    counts: dict[Any, int] = {}
    for start in range(0, num_operators, BLOCK_LABELS):
        distinct, numbers = np.unique(_values(dataset, slice(start, start + BLOCK_LABELS)), return_counts=True)
        for value, count in zip(distinct.tolist(), numbers.tolist(), strict=True):
            key = value if value == value else "nan"
            counts[key] = counts.get(key, 0) + count
        if len(counts) > limit:
            return None
    return counts


def _label(file: InputFile, name: str, num_operators: int, where: str) -> InputDataset:
    """Return the dataset of a label, after checking that it has one text or number for each operator."""
    name = name.removeprefix("/").removeprefix("labels/")
    node = file.find(f"labels/{name}")
    if node is None or node.is_group:
        existing = label_names(file, num_operators)
        raise DataError(
            f"no label /labels/{name}", where=where, expected=f"one of the existing labels: {join_names(existing, 8)}"
        )
    dataset = file.checked(node, f"{where}:/labels/{name}", as_stored=True)
    if dataset.shape != (num_operators,):
        raise DataError(
            f"/labels/{name} has shape {dataset.shape}",
            where=where,
            expected=f"({num_operators},), one for each operator",
        )
    if not dataset.is_text and dataset.dtype.kind not in "biuf":
        raise DataError(f"/labels/{name} has type {dataset.dtype}", where=where, expected="text or numbers")
    return dataset


def _values(dataset: InputDataset, *selection: slice) -> NDArray[Any]:
    """Read values of a dataset; text as str."""
    return dataset.read_text(*selection) if dataset.is_text else dataset.read(*selection)


def _attribute(attributes: Any, name: str) -> Any:
    """Return the value of an attribute as a number, text or list, or None if it has none or cannot be read."""
    try:
        value = attributes[name]
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, UnicodeError):
        return None
    if isinstance(value, h5py.Empty):
        return None
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
