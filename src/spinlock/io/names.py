"""Names of columns: reading them from a file, matching them, and listing them in messages.

Letters: ``D`` columns.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

KEY = "feature_names"
"""Name of the dataset or attribute that holds the column names."""


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Join names to one line for a message, such as ``a, b, c, d, e and 12 more``.

    Parameters
    ----------
    names
        Names; those that cannot be printed are shown as Python literals.
    limit
        Number of names that are shown.

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
        Expected columns are missing; the message names them.
    """
    position = {name: index for index, name in enumerate(dataset_names)}
    missing = [name for name in expected_names if name not in position]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(expected_names)} columns are missing: {listed(missing)}",
            expected="every column that the model was trained on, by name",
        )
    return np.array([position[name] for name in expected_names], dtype=np.int64)


def column_names(group: Any, table: Any, *, where: str) -> tuple[str, ...]:
    """Read the names of a table's columns.

    They are ``feature_names``, a dataset or attribute of the group or an attribute of the table. Without any of these
    the columns are called feature_0, feature_1, ...

    Parameters
    ----------
    group
        HDF5 group of the table.
    table
        HDF5 dataset [..., D].
    where
        Place of the table, for error messages.

    Returns
    -------
    tuple of str
        D names.

    Raises
    ------
    DataError
        The names repeat, are not UTF-8 text, or are not D names.
    """
    columns = int(table.shape[-1])
    stored = _stored_names(group, table, where)
    if stored is None:
        return tuple(f"feature_{index}" for index in range(columns))
    names = tuple(_decoded(value, index, where) for index, value in enumerate(np.ravel(stored).tolist()))
    if len(names) != columns:
        raise DataError(f"{len(names)} {KEY}", where=where, expected=f"one for each of {columns} columns")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"column names repeat: {listed(repeated)}", where=where, expected="each name once")
    return names


def _stored_names(group: Any, table: Any, where: str) -> NDArray[Any] | None:
    """Return the names as they are stored; None if the file has none."""
    if KEY in group:
        dataset = group[KEY]
        if not isinstance(dataset, h5py.Dataset):
            raise DataError(f"{KEY} is a group", where=where, expected="a list of text")
        return np.asarray(dataset[()])
    for attributes in (group.attrs, table.attrs):
        if KEY in attributes:
            return np.asarray(attributes[KEY])
    return None


def _decoded(value: Any, index: int, where: str) -> str:
    """Return one name as str; h5py returns text that is not UTF-8 as bytes or with lone surrogates."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, str):
            value.encode("utf-8")
            return value
    except UnicodeError:
        raise DataError(f"{KEY}[{index}] is not UTF-8: {value!r}", where=where) from None
    raise DataError(f"{KEY}[{index}] is {value!r}", where=where, expected="text")
