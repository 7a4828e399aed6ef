"""Names of the columns of a table in a file.

Letters: ``D`` columns.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError, located
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import FEATURE_NAMES, check_name, join_names


def column_names(file: InputFile, group: str, table: InputDataset) -> tuple[str, ...]:
    """Read the names of a table's columns.

    The names are ``feature_names``: a dataset or an attribute of the group, or an attribute of the table. If there is
    none of these, the names are feature_0, feature_1, ...

    Parameters
    ----------
    file
        The open file.
    group
        Path of the group of the table.
    table
        The table [..., D].

    Returns
    -------
    tuple of str
        D names.

    Raises
    ------
    DataError
        A name occurs twice or is not UTF-8 text, or the number of names is not D.
    """
    columns, where = (table.shape or (0,))[-1], f"{file.path}:{group}"
    stored = _stored_names(file, group, table, columns)
    if stored is None:
        return tuple(f"feature_{index}" for index in range(columns))
    _check_count(stored.size, columns, where)
    names = tuple(_decoded(value, index, where) for index, value in enumerate(np.ravel(stored).tolist()))
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"column names repeat: {join_names(repeated)}", where=where, expected="each name once")
    return names


def _stored_names(file: InputFile, group: str, table: InputDataset, columns: int) -> NDArray[Any] | None:
    """Return the stored names, or None if the file has no names."""
    where = f"{file.path}:{group}"
    node = file.find(f"{group}/{FEATURE_NAMES}")
    if node is not None:
        if node.is_group:
            raise DataError(f"{FEATURE_NAMES} is a group", where=where, expected="a list of text")
        dataset = file.checked(node, f"{where}/{FEATURE_NAMES}")
        _check_count(int(np.prod(dataset.shape or (), dtype=object)), columns, where)
        return dataset.read()
    parent = file.find(group)
    for attributes in (parent.attributes if parent is not None else {}, table.attributes):
        if FEATURE_NAMES in attributes:
            return np.asarray(attributes[FEATURE_NAMES])
    return None


def _check_count(count: int, columns: int, where: str) -> None:
    """Raise a :class:`DataError` unless there is one name for each column."""
    if count != columns:
        raise DataError(f"{count} {FEATURE_NAMES}", where=where, expected=f"one for each of {columns} columns")


def _decoded(value: Any, index: int, where: str) -> str:
    """Return one name as str, after a check: h5py returns invalid UTF-8 as bytes or with lone surrogates."""
    name = value
    try:
        if isinstance(value, bytes):
            name = value.decode("utf-8")
        elif isinstance(value, str):
            value.encode("utf-8")
    except UnicodeError:
        raise DataError(f"{FEATURE_NAMES}[{index}] is not UTF-8: {value!r}", where=where) from None
    with located(where):
        return check_name(f"{FEATURE_NAMES}[{index}]", name)
