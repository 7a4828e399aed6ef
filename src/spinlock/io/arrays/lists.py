"""Lists of arrays: which ones NumPy may convert at once, and items whose names would be lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from spinlock.errors import DataError

PLAIN = (bool, int, float, complex, str, bytes, np.generic, type(None))
"""Types of single values that NumPy converts without a loss."""

NAMES = ("iloc", "coords", "var_names", "column_names", "_fields")
"""Attributes of objects that name their values: of pandas, xarray, AnnData, pyarrow, and named tuples."""


def is_plain(values: Any) -> bool:
    """Return whether a list contains only single values and lists of single values."""
    return all(
        isinstance(value, PLAIN) or (isinstance(value, list | tuple) and not _has_names(value) and is_plain(value))
        for value in values
    )


def check_unnamed(value: Any, what: str) -> None:
    """Raise a :class:`DataError` if an item of a list names its values, because the list ignores these names."""
    if not _has_names(value):
        return
    kind = type(value).__name__
    raise DataError(
        f"{what} are a list of objects of type {kind}, whose names would be ignored",
        expected="one data frame or labeled array, or a list of arrays",
        remedy="combine them to one frame, for example with pandas.DataFrame(items), or convert each to an array",
    )


def _has_names(value: Any) -> bool:
    names = getattr(value, "column_names", None) or getattr(value, "columns", None)
    return names is not None or any(hasattr(value, name) for name in NAMES)
