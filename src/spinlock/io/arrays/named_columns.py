"""Columns with names, and a check of the row labels of columns that are given separately."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spinlock.errors import DataError
from spinlock.io.names import join_names

NUMBERED = ("", "column_", "f")
"""Prefixes of the numbered names that pandas, polars and NumPy give to columns without names."""


@dataclass(frozen=True)
class NamedColumns:
    """Columns with names: ``names`` [D], and a function that returns the column [N] or [N, M] at a position."""

    names: list[str]
    column: Callable[[int], Any]


def are_numbered(names: list[str]) -> bool:
    """Return whether names only number the columns in their order, as a library does for columns without names."""
    return any(names == [f"{prefix}{j}" for j in range(len(names))] for prefix in NUMBERED)


def check_row_labels(columns: Mapping[str, Any]) -> None:
    """Raise a :class:`DataError` if columns of pandas or xarray label their rows differently.

    Such columns belong together by their labels, and would be combined by position.
    """
    indexes = {name: index for name, value in columns.items() if (index := _row_index(value)) is not None}
    if not indexes:
        return
    (first, index), *others = indexes.items()
    different = [name for name, other in others if not index.equals(other)]
    if different:
        raise DataError(
            f"the row labels of {join_names([first])} and of {join_names(different)} differ",
            expected="the same index in the same order",
            remedy="align them, for example with pandas.concat, or pass arrays without labels (.to_numpy())",
        )


def _row_index(values: Any) -> Any:
    """Return the pandas index of the rows of a Series, a data frame or a labeled array, or None."""
    if hasattr(values, "iloc"):
        return values.index
    if hasattr(values, "indexes") and hasattr(values, "dims") and values.dims:
        return values.indexes.get(values.dims[0])
    return None
