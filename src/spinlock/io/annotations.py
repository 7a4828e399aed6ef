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
from spinlock.io.names import join_names

BLOCK_LABELS = 1 << 13
"""Number of labels that are read at the same time, because a Python string needs much more memory than its letters."""

ANNOTATION_GROUPS = ("parameters", "labels", "metadata")


class AnnotatedFile:
    """An open HDF5 file with annotations; a context manager that closes it."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self._file = file

    def copy_annotations(self, target: h5py.File) -> None:
        """Copy /parameters, /labels and /metadata to ``target``."""
        with reading(self.path):
            copy_annotations(self._file, target)

    def file_attributes(self) -> dict[str, Any]:
        """Return the attributes of the file, such as the program version and the command line that wrote it."""
        with reading(self.path):
            return {name: value.item() if hasattr(value, "item") else value for name, value in self._file.attrs.items()}

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def copy_annotations(source: Any, target: Any) -> None:
    """Copy /parameters, /labels and /metadata, values and attributes, from one open HDF5 file to another."""
    for name in ANNOTATION_GROUPS:
        if name in source and name not in target:
            source.copy(source[name], target, name=name)


def label_names(file: Any, num_operators: int) -> tuple[str, ...]:
    """Return the names of the datasets under /labels that have one value for each of N operators."""
    return tuple(name for name, dataset in _datasets(file).items() if dataset.shape == (num_operators,))


def read_label(file: Any, name: str, num_operators: int, *, where: str) -> NDArray[Any]:
    """Read a label of the operators.

    Parameters
    ----------
    file
        Open HDF5 file.
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


def read_groups(file: Any, name: str, num_operators: int, *, where: str) -> NDArray[np.int32]:
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


def _label(file: Any, name: str, num_operators: int, where: str) -> Any:
    """Return the dataset of a label, after checking that it has one text or number for each operator."""
    name = name.removeprefix("/").removeprefix("labels/")
    dataset = _datasets(file).get(name)
    if dataset is None:
        existing = label_names(file, num_operators)
        raise DataError(
            f"no label /labels/{name}", where=where, expected=f"one of the existing labels: {join_names(existing, 8)}"
        )
    if dataset.shape != (num_operators,):
        raise DataError(
            f"/labels/{name} has shape {dataset.shape}",
            where=where,
            expected=f"({num_operators},), one for each operator",
        )
    if not h5py.check_string_dtype(dataset.dtype) and dataset.dtype.kind not in "biuf":
        raise DataError(f"/labels/{name} has type {dataset.dtype}", where=where, expected="text or numbers")
    return dataset


def _values(dataset: Any, selection: Any = ()) -> NDArray[Any]:
    """Read values of a dataset; text as str."""
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr(errors="replace")[selection], dtype=np.str_)
    return np.asarray(dataset[selection])


def _datasets(file: Any) -> dict[str, Any]:
    """Return the datasets directly under /labels, by name."""
    if file.get("labels", getclass=True) is not h5py.Group:
        return {}
    labels = file["labels"]
    return {name: labels[name] for name in labels if labels.get(name, getclass=True) is h5py.Dataset}
