"""Names of columns that are given with an array, or that a data frame has.

Letters: ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from spinlock.errors import DataError, shortened
from spinlock.io.arrays.named_columns import are_numbered
from spinlock.io.names import check_name, join_names


def array_names(columns: int, frame_names: list[str] | None, feature_names: Iterable[Any] | None) -> tuple[str, ...]:
    """Return the names [D] of the columns.

    Parameters
    ----------
    columns
        Number of columns D.
    frame_names
        Names of a data frame, or None for an array.
    feature_names
        Names that the caller gives, or None.

    Returns
    -------
    tuple of str
        The given names, else those of the data frame, else feature_0, feature_1, ...

    Raises
    ------
    DataError
        The given names are not a sequence of texts, there is not one for each column, one occurs twice, or they
        contradict the names of a data frame. The numbers that a library gives to columns without names are no names.
    """
    names = [f"feature_{j}" for j in range(columns)] if frame_names is None else frame_names
    given = None if feature_names is None else _given_names(feature_names)
    if given is not None and frame_names is not None and given != frame_names and not are_numbered(frame_names):
        different = [name for name, own in zip(given, frame_names, strict=False) if name != own]
        raise DataError(
            f"feature_names contradict the names that the features have: {join_names(different or given)}",
            expected="feature_names with an array only",
            remedy="remove feature_names, or select or rename the columns of the features first",
        )
    names = names if given is None else given
    if len(names) != columns or len(set(names)) != len(names):
        raise DataError(
            f"{len(set(names))} distinct feature names for {columns} columns", expected="one for each column"
        )
    for name in names:
        check_name("column name", name)
    return tuple(names)


def _given_names(names: Any) -> list[str]:
    """Return given names as text, after a check of their types; integers are the names of columns of pandas."""
    if isinstance(names, str | bytes | Set | Mapping) or not isinstance(names, Iterable):
        what = f"feature_names are {shortened(repr(names))}"
        raise DataError(what, expected="a list of text, in the order of the columns")
    values = names.tolist() if hasattr(names, "tolist") else list(names)
    for position, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise DataError(f"feature_names[{position}] is {shortened(repr(value))}", expected="text")
    return [str(value) for value in values]
