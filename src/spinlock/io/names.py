"""Names of columns: where a file keeps them, and how an error lists them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

KEY = "feature_names"


def listed(names: Sequence[str], most: int = 5) -> str:
    """``a, b, c, d, e and 12 more``; ``nothing`` for an empty list. Always one line, whatever the names hold."""
    head = ", ".join(name if name.isprintable() else repr(name) for name in names[:most]) or "nothing"
    return head if len(names) <= most else f"{head} and {len(names) - most} more"


def column_names(group: Any, table: Any, *, where: str) -> tuple[str, ...]:
    """The D names of ``table``: ``feature_names``, a dataset or attribute of ``group``, or its own attribute.

    Without any of these the columns are feature_0, feature_1, ...

    Raises:
        DataError: names that repeat, are not UTF-8 text, or are not one for each column.
    """
    columns = int(table.shape[-1])
    raw = _stored(group, table, where)
    if raw is None:
        return tuple(f"feature_{index}" for index in range(columns))
    names = tuple(_decoded(value, index, where) for index, value in enumerate(np.ravel(raw).tolist()))
    if len(names) != columns:
        raise DataError(f"{len(names)} {KEY}", where=where, expected=f"one for each of {columns} columns")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"column names repeat: {listed(repeated)}", where=where, expected="each name once")
    return names


def _stored(group: Any, table: Any, where: str) -> NDArray[Any] | None:
    if KEY in group:
        holder = group[KEY]
        if not isinstance(holder, h5py.Dataset):
            raise DataError(f"{KEY} is a group", where=where, expected="a list of text")
        return np.asarray(holder[()])
    for attributes in (group.attrs, table.attrs):
        if KEY in attributes:
            return np.asarray(attributes[KEY])
    return None


def _decoded(value: Any, index: int, where: str) -> str:
    """One name as str; h5py hands bytes that are not UTF-8 over as bytes or as lone surrogates."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, str):
            value.encode("utf-8")
            return value
    except UnicodeError:
        raise DataError(f"{KEY}[{index}] is not UTF-8: {value!r}", where=where) from None
    raise DataError(f"{KEY}[{index}] is {value!r}", where=where, expected="text")
