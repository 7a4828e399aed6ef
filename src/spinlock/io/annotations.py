"""What a file says of its operators besides the features: /parameters, /labels, /metadata, carried along."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.names import listed

PIECE = 1 << 13
"""Labels read at once."""

CARRIED = ("parameters", "labels", "metadata")


class AnnotatedFile:
    """An open HDF5 file with what it says of its operators; closes at the end of a ``with`` block."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self._file = file

    def copy_annotations(self, target: h5py.File) -> None:
        """Carry /parameters, /labels and /metadata over to ``target``, as they are."""
        with reading(self.path):
            copy_annotations(self._file, target)

    def file_attributes(self) -> dict[str, Any]:
        """The attributes of the whole file, such as the version that wrote it and its command line."""
        with reading(self.path):
            return {name: value.item() if hasattr(value, "item") else value for name, value in self._file.attrs.items()}

    def knows(self, name: str) -> bool:
        """Whether the file has an object of that name."""
        with reading(self.path):
            return name in self._file

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
    """Copy /parameters, /labels and /metadata, values and attributes, between two open HDF5 files."""
    for name in CARRIED:
        if name in source and name not in target:
            source.copy(source[name], target, name=name)


def label_names(file: Any, num_operators: int) -> tuple[str, ...]:
    """The datasets under /labels that hold one value for each of N operators."""
    return tuple(name for name, dataset in _datasets(file).items() if dataset.shape == (num_operators,))


def read_label(file: Any, name: str, num_operators: int, *, where: str) -> NDArray[Any]:
    """/labels/<name> [N], text as str.

    Raises:
        DataError: no such label, or not one value for each operator.
    """
    return _values(_label(file, name, num_operators, where))


def read_groups(file: Any, name: str, num_operators: int, *, where: str) -> NDArray[np.int32]:
    """The same as numbers [N]: the place of each operator's label among the distinct ones, sorted.

    Read piece by piece: of millions of operators the text of their labels would take more than their rows.

    Raises:
        DataError: as :func:`read_label`.
    """
    dataset = _label(file, name, num_operators, where)
    known: dict[Any, int] = {}
    labels: list[Any] = []
    groups = np.empty(num_operators, dtype=np.int32)
    for start in range(0, num_operators, PIECE):
        here, places = np.unique(_values(dataset, slice(start, start + PIECE)), return_inverse=True)
        for label in here.tolist():
            if known.setdefault(label if label == label else "nan", len(labels)) == len(labels):
                labels.append(label)
        numbers = [known[label if label == label else "nan"] for label in here.tolist()]
        groups[start : start + PIECE] = np.array(numbers, dtype=np.int32)[places]
    rank = np.empty(len(labels), dtype=np.int32)
    rank[np.argsort(np.array(labels), kind="stable")] = np.arange(len(labels), dtype=np.int32)
    return rank[groups]


def _label(file: Any, name: str, num_operators: int, where: str) -> Any:
    """The dataset of a label, if it holds one text or number for each operator."""
    name = name.removeprefix("/").removeprefix("labels/")
    dataset = _datasets(file).get(name)
    if dataset is None:
        there = label_names(file, num_operators)
        raise DataError(f"no label /labels/{name}", where=where, expected=f"one of what is there: {listed(there, 8)}")
    if dataset.shape != (num_operators,):
        raise DataError(
            f"/labels/{name} has shape {dataset.shape}",
            where=where,
            expected=f"({num_operators},), one for each operator",
        )
    if not h5py.check_string_dtype(dataset.dtype) and dataset.dtype.kind not in "biuf":
        raise DataError(f"/labels/{name} holds {dataset.dtype}", where=where, expected="text or numbers")
    return dataset


def _values(dataset: Any, part: Any = ()) -> NDArray[Any]:
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr(errors="replace")[part], dtype=np.str_)
    return np.asarray(dataset[part])


def _datasets(file: Any) -> dict[str, Any]:
    """The datasets directly under /labels, by name."""
    if file.get("labels", getclass=True) is not h5py.Group:
        return {}
    labels = file["labels"]
    return {name: labels[name] for name in labels if labels.get(name, getclass=True) is h5py.Dataset}
