"""Names of columns: read them from a file, match them, and join them for messages.

Letters: ``D`` columns.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

FEATURE_NAMES = "feature_names"
"""Name of the dataset or attribute that contains the column names."""


def join_names(names: Sequence[str], limit: int = 5) -> str:
    """Join names for a message, for example ``a, b, c, d, e and 12 more``.

    Parameters
    ----------
    names
        Names. Names with unprintable characters are shown as Python literals.
    limit
        Maximum number of names that are shown.

    Returns
    -------
    str
        ``nothing`` for an empty list.
    """
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:limit]) or "nothing"
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def match_columns(dataset_names: Sequence[str], expected_names: Sequence[str]) -> NDArray[np.int64]:
    """Find the position of each expected column in a dataset.

    Parameters
    ----------
    dataset_names
        Names of the dataset's columns, in any order. Columns that are not expected are ignored.
    expected_names
        Names of the D expected columns.

    Returns
    -------
    numpy.ndarray
        Positions [D], so that ``x[:, match_columns(...)]`` has the expected order.

    Raises
    ------
    DataError
        Expected columns are missing; the message contains their names.
    """
    position = {name: index for index, name in enumerate(dataset_names)}
    missing = [name for name in expected_names if name not in position]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(expected_names)} columns are missing: {join_names(missing)}",
            expected="every column that the model was trained on, by name",
        )
    return np.array([position[name] for name in expected_names], dtype=np.int64)


def column_names(group: Any, table: Any, *, where: str) -> tuple[str, ...]:
    """Read the names of a table's columns.

    The names are ``feature_names``: a dataset or an attribute of the group, or an attribute of the table. If there is
    none of these, the names are feature_0, feature_1, ...

    Parameters
    ----------
    group
        HDF5 group of the table.
    table
        HDF5 dataset [..., D].
    where
        File and group of the table, for error messages.

    Returns
    -------
    tuple of str
        D names.

    Raises
    ------
    DataError
        A name occurs twice or is not UTF-8 text, or the number of names is not D.
    """
    columns = int(table.shape[-1])
    stored = _stored_names(group, table, where)
    if stored is None:
        return tuple(f"feature_{index}" for index in range(columns))
    names = tuple(_decoded(value, index, where) for index, value in enumerate(np.ravel(stored).tolist()))
    if len(names) != columns:
        raise DataError(f"{len(names)} {FEATURE_NAMES}", where=where, expected=f"one for each of {columns} columns")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"column names repeat: {join_names(repeated)}", where=where, expected="each name once")
    return names


def _stored_names(group: Any, table: Any, where: str) -> NDArray[Any] | None:
    """Return the stored names, or None if the file has no names."""
    if FEATURE_NAMES in group:
        dataset = group[FEATURE_NAMES]
        if not isinstance(dataset, h5py.Dataset):
            raise DataError(f"{FEATURE_NAMES} is a group", where=where, expected="a list of text")
        return np.asarray(dataset[()])
    for attributes in (group.attrs, table.attrs):
        if FEATURE_NAMES in attributes:
            return np.asarray(attributes[FEATURE_NAMES])
    return None


def _decoded(value: Any, index: int, where: str) -> str:
    """Return one name as str, after a check: h5py returns invalid UTF-8 as bytes or with lone surrogates."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, str):
            value.encode("utf-8")
            return value
    except UnicodeError:
        raise DataError(f"{FEATURE_NAMES}[{index}] is not UTF-8: {value!r}", where=where) from None
    raise DataError(f"{FEATURE_NAMES}[{index}] is {value!r}", where=where, expected="text")
