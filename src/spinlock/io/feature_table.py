"""A feature table from a file, an array or a data frame. Large tables stay in their file and are read on demand.

Letters: ``N`` operators, ``M`` rows of one operator (1 for aggregated tables), ``D`` columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.arrays import array_names, check_labels, feature_values
from spinlock.io.arrays.row_precision import RawRows, RowDigest
from spinlock.io.features import FeatureSource, open_features
from spinlock.io.inputs.feature_group import AGGREGATED
from spinlock.io.names import join_names
from spinlock.io.stored_rows import StoredRows
from spinlock.paths import user_path

FEATURE_TYPES = (AGGREGATED, "per_trajectory", "per_timestep")
"""Kinds of tables."""

MEMORY_FRACTION = 0.2
"""Maximum size of a table in memory, as a fraction of the machine's memory. Cleaning needs a second table."""

FALLBACK_MEMORY = 2**33
"""Assumed memory of the machine, in bytes, if the operating system does not report it."""


class FileLabels(Mapping[str, NDArray[Any]]):
    """The labels [N] under /labels of a file; a label is read when it is accessed."""

    def __init__(self, source: FeatureSource) -> None:
        self._path, self._family, self._feature_type = source.path, source.family, source.feature_type
        self._names = source.labels()

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        with self._open() as source:
            return source.read_label(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def group_numbers(self, name: str) -> NDArray[np.int32]:
        """Return the rank of each value of a label among its distinct values, [N]; the text is not kept in memory."""
        with self._open() as source:
            return source.read_groups(name)

    def _open(self) -> FeatureSource:
        return open_features(self._path, family=self._family, feature_type=self._feature_type)


@dataclass(frozen=True)
class FeatureTable:
    """A feature table: raw rows [N * M, D], float32 or float64, the names of its columns, and labels of its operators.

    Two tables are equal if their rows (by their hash), names, shapes, families and types are equal.

    Attributes
    ----------
    path
        The file, or ``<memory>``.
    family, feature_type
        The table is /features/<family>/<feature_type>/features in a file.
    names
        Column names [D].
    num_operators, rows_per_operator
        N and M.
    sha256
        SHA-256 of the rows, in order; see :class:`spinlock.io.arrays.row_precision.RowDigest`.
    rows
        An array [N * M, D], or an object that reads the file and is indexed like an array.
    labels
        {name: values [N]}.
    notes
        What the user should know about the content of the file, for example rows that were never written.
    """

    path: str = field(compare=False)
    family: str
    feature_type: str
    names: tuple[str, ...] = field(repr=False)
    num_operators: int
    rows_per_operator: int
    sha256: str = field(repr=False)
    rows: RawRows | StoredRows = field(repr=False, compare=False)
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def groups(self, label: str) -> NDArray[Any]:
        """Return the group of each operator, [N]: the values of a label, or their numbers for a table in a file.

        Parameters
        ----------
        label
            ``<name>`` or ``labels/<name>``.

        Raises
        ------
        DataError
            The table has no such label.
        """
        name = label.removeprefix("labels/")
        if isinstance(self.labels, FileLabels):
            return self.labels.group_numbers(name)
        if name not in self.labels:
            raise DataError(
                f"the table has no label {name!r}",
                expected=f"one of its labels: {join_names(list(self.labels))}",
                remedy="pass it in labels, or split by another label",
            )
        return np.asarray(self.labels[name])


def read_features(
    source: Any,
    *,
    family: str = "sdf",
    feature_type: str | None = None,
    feature_names: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
    max_bytes: int | None = None,
) -> FeatureTable:
    """Read a feature table.

    Parameters
    ----------
    source
        Path of an HDF5 file; or features of :func:`spinlock.io.arrays.feature_values`, whose columns must be numbers.
    family, feature_type
        The table is /features/<family>/<feature_type>/features in a file. The default type is ``aggregated``, or
        ``per_trajectory`` for a 3-D array.
    feature_names
        Column names [D] of an array. By default they are those of a data frame, or else feature_0, feature_1, ...
    labels
        {name: values [N]} of the operators of an array. Those of a file are under /labels.
    max_bytes
        A table of more bytes stays in its file and is read on demand. The default is a fifth of the machine's memory.

    Returns
    -------
    FeatureTable

    Raises
    ------
    DataError
        The file cannot be read or has no such table, the array is not a table of real numbers, or an argument does not
        apply to the source.
    """
    if isinstance(source, str | os.PathLike):
        _refuse_for_file(feature_names=feature_names, labels=labels)
        limit = memory_limit() if max_bytes is None else max_bytes
        return _from_file(user_path(source, "source"), family, feature_type or AGGREGATED, limit)
    _check_place(family, feature_type)
    values, frame_names = feature_values(source)
    names = array_names(values.shape[-1], frame_names, feature_names)
    feature_type = feature_type or (AGGREGATED if values.ndim == 2 else "per_trajectory")
    if (feature_type == AGGREGATED) != (values.ndim == 2):
        raise DataError(
            f"features have {values.ndim} dimensions and feature_type is {feature_type}",
            expected="[N, D] for aggregated, [N, M, D] for per_trajectory and per_timestep",
        )
    rows = values.reshape(-1, values.shape[-1])
    return FeatureTable(
        path="<memory>",
        family=family,
        feature_type=feature_type,
        names=names,
        num_operators=len(values),
        rows_per_operator=1 if values.ndim == 2 else values.shape[1],
        sha256=RowDigest.of(rows),
        rows=rows,
        labels=check_labels(labels or {}, len(values)),
    )


def memory_limit(processes: int = 1) -> int:
    """Return the default maximum size in bytes of a table in memory, if ``processes`` processes run on the machine."""
    known = hasattr(os, "sysconf")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else FALLBACK_MEMORY
    return int(MEMORY_FRACTION * (memory // processes))


def _from_file(path: Path, family: str, feature_type: str, max_bytes: int) -> FeatureTable:
    """Open the table of a file; its rows are in memory if they need at most ``max_bytes``."""
    with open_features(path, family=family, feature_type=feature_type) as source:
        fits = source.dtype.itemsize * source.num_rows * source.shape[-1] <= max_bytes
        if fits:
            rows: RawRows | StoredRows = source.read_all()
        else:
            rows = StoredRows(path, family=family, feature_type=feature_type, limit=max_bytes)
        return FeatureTable(
            path=str(path),
            family=family,
            feature_type=feature_type,
            names=source.names,
            num_operators=source.num_operators,
            rows_per_operator=source.rows_per_operator,
            sha256=source.sha256(),
            rows=rows,
            notes=source.notes,
            labels=FileLabels(source),
        )


def _refuse_for_file(**arguments: Any) -> None:
    """Raise an error if an argument is given that applies to arrays only."""
    for name, value in arguments.items():
        if value is not None:
            expected = f"{name} with an array only, because a file contains its own"
            raise DataError(f"{name} is given with the path of a file", expected=expected, remedy=f"remove {name}")


def _check_place(family: Any, feature_type: Any) -> None:
    """Raise an error unless the family and the type of an array can be the groups of a file."""
    if not isinstance(family, str) or not family.strip() or "/" in family or "\0" in family:
        raise DataError(f"family is {family!r}", expected="the name of one group, without a slash")
    if feature_type not in (None, *FEATURE_TYPES):
        raise DataError(f"feature_type is {feature_type!r}", expected=f"one of {', '.join(FEATURE_TYPES)}")
