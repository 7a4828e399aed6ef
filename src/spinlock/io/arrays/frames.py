"""Columns of data frames. Their libraries are not imported here.

Data frames of polars and other libraries are read with narwhals, which imports only what the caller has imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinlock.errors import DataError, error_line
from spinlock.io.arrays.named_columns import NamedColumns

WIDE_INTEGERS = ("Int128", "UInt128")
"""Types of integers that NumPy does not have; they are read as float64."""


def frame_columns(features: Any) -> NamedColumns | None:
    """Return the columns of a data frame, or None for another object.

    Raises
    ------
    DataError
        The frame cannot be read, for example because a lazy frame cannot be computed.
    """
    if hasattr(features, "iloc") and hasattr(features, "columns"):
        return NamedColumns([str(name) for name in features.columns], lambda j: _pandas_column(features.iloc[:, j]))
    if type(features).__module__.startswith("pyarrow") and hasattr(features, "schema") and hasattr(features, "column"):
        # narwhals does not know record batches, and refuses a table if any two columns have the same name
        return NamedColumns(list(features.schema.names), lambda j: _pyarrow_column(features.column(j)))
    if isinstance(features, np.ndarray | list | tuple) or hasattr(features, "detach"):
        return None
    return _narwhals_columns(features)


def _pandas_column(series: Any) -> Any:
    """Return a column of pandas, whose missing cells may be ``pandas.NA``, as an array."""
    kind = getattr(series.dtype, "kind", "O")
    if kind not in "fiub" or type(series.dtype).__module__.startswith("numpy"):
        return np.asarray(series)
    return series.to_numpy(dtype=np.float64 if kind in "fiu" else object, na_value=np.nan if kind in "fiu" else None)


def _pyarrow_column(column: Any) -> Any:
    """Return a column of a table, or of a record batch, as an array."""
    return column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)


def _narwhals_columns(features: Any) -> NamedColumns | None:
    """Return the columns of a data frame that narwhals knows, or None for another object."""
    import narwhals  # takes a tenth of a second, and arrays do not need it

    try:
        frame = narwhals.from_native(features, pass_through=True)
        if isinstance(frame, narwhals.LazyFrame):
            frame = frame.collect()
    except Exception as error:  # the errors of a lazy frame are those of its library
        what = f"features are a {type(features).__name__} that cannot be read: {error_line(error)}"
        raise DataError(what, expected="a data frame with distinct, existing columns") from error
    if not isinstance(frame, narwhals.DataFrame):
        if hasattr(features, "__dataframe__"):
            remedy = "convert it to a data frame of pandas, polars or pyarrow"
            raise DataError(f"features are a {type(features).__name__}, whose names cannot be read", remedy=remedy)
        return None
    return NamedColumns(list(frame.columns), lambda j: _narwhals_column(frame, j))


def _narwhals_column(frame: Any, position: int) -> Any:
    """Return a column as an array; a column of lists or structures is an error."""
    column = frame[:, position]
    kind = str(column.dtype)
    if column.dtype.is_nested():
        name, expected = frame.columns[position], "real numbers"
        raise DataError(f"column {name!r} contains objects of type {kind}", expected=expected)
    if kind in WIDE_INTEGERS:
        import narwhals

        column = column.cast(narwhals.Float64())
    return column.to_numpy()
