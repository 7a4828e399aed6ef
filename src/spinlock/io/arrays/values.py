"""Values of arrays, tensors, data frames and labeled arrays as rows.

Letters: ``N`` operators, ``M`` rows of one operator, ``D`` columns, ``C`` categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError, error_line
from spinlock.io.arrays.columns import named_columns
from spinlock.io.arrays.named_columns import NamedColumns, are_numbered
from spinlock.io.arrays.numbers import real_numbers
from spinlock.io.arrays.row_precision import RawRows, as_rows, row_dtype
from spinlock.io.names import join_names, log_ignored, match_columns

Convert = Callable[[Any, str], NDArray[Any]]
"""Conversion of values with a name for messages, such as :func:`real_numbers`."""


def feature_values(features: Any, expected: Sequence[str] | None = None) -> tuple[RawRows, list[str] | None]:
    """Return the values of features in memory, and the names of their columns.

    Parameters
    ----------
    features
        An array or tensor [N, D] or [N, M, D], or a list of arrays; a sparse matrix; an ``h5py.Dataset``; or an object
        with named columns: a data frame (pandas, polars, pyarrow or another library that narwhals knows), a record
        array, a mapping of columns, an ``xarray.DataArray`` or an ``AnnData``.
    expected
        Names of the columns to return, in this order; other named columns are ignored, whatever they contain. It has no
        effect on an array without names.

    Returns
    -------
    values
        Rows [N, D] or [N, M, D], float64 if float32 cannot represent the type of the values. Values outside the range
        of float32 become infinite. Hidden cells of a masked array and other missing cells are NaN.
    names
        Names [D] of the columns, or None if the features do not name them.

    Raises
    ------
    DataError
        The values are not real numbers, a column is missing or occurs twice, or the number of dimensions is not 2 or 3.
    """
    columns = named_columns(features, expected)
    names: list[str] | None = None
    if columns is None:
        values = np.array(real_numbers(features, "features"))  # a copy
    else:
        names = columns.names if expected is None else list(expected)
        values = _column_values(columns, names, real_numbers)
    if values.ndim not in (2, 3):
        raise DataError(f"features have {values.ndim} dimensions", expected="[N, D] or [N, M, D]")
    return as_rows(values, row_dtype(values.dtype)), names


def token_values(tokens: Any, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the values of tokens in memory.

    Parameters
    ----------
    tokens
        Integers [N, 3C] or [N, M, 3C] of any kind of :func:`feature_values`. The columns of a data frame are matched by
        name, unless they are only numbered.
    names
        Names [3C] of the token columns.

    Raises
    ------
    DataError
        A value is missing, hidden or not an integer, or a token column is missing or occurs twice.
    """
    columns = named_columns(tokens, names)
    if columns is None:
        return _integers(tokens, "tokens")
    names = columns.names if are_numbered(columns.names) else names
    missing = [name for name in names if name not in columns.names]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(names)} token columns are missing: {join_names(missing)}",
            expected="all token columns of the model, by name",
            remedy="pass an array with the columns in the order of the model",
        )
    return _column_values(columns, names, _integers)


def _integers(values: Any, what: str) -> NDArray[np.int64]:
    """Convert integers of any width to int64."""
    try:
        array = real_numbers(values, what)
    except DataError as error:
        raise DataError(error.what, expected="integers", remedy=error.remedy) from error
    if array.dtype.kind not in "iu":
        missing = array.dtype.kind == "f" and np.isnan(array).any()
        are = "are" if what == "tokens" else "is"
        raise DataError(
            f"{what} {are} {'partly missing or hidden' if missing else f'of type {array.dtype}'}", expected="integers"
        )
    return array.astype(np.int64)


def _column_values(columns: NamedColumns, names: Sequence[str], convert: Convert) -> NDArray[Any]:
    """Return the columns with some names, [N, D] or [N, M, D]."""
    counts = Counter(columns.names)
    repeated = [name for name in dict.fromkeys(names) if counts[name] > 1]
    if repeated:
        raise DataError(f"column names repeat: {join_names(repeated)}", expected="each name once")
    positions = match_columns(columns.names, names).tolist()
    log_ignored(columns.names, names)
    arrays, unusable = [], {}
    for name, position in zip(names, positions, strict=True):
        try:
            arrays.append(convert(_read_column(columns, position, name), f"column {name!r}"))
        except DataError as error:
            unusable[name] = error
    if unusable:
        first = next(iter(unusable.values()))
        rest = f"; {len(unusable)} columns are not numbers: {join_names(list(unusable))}" if len(unusable) > 1 else ""
        raise DataError(first.what + rest, expected=first.expected, remedy="remove or convert the column")
    if not arrays:
        raise DataError("features have no columns", expected="two or more columns")
    if len({array.shape for array in arrays}) > 1:
        raise DataError("the columns have different lengths", expected="one value of each column for each row")
    return np.stack(arrays, axis=-1)


def _read_column(columns: NamedColumns, position: int, name: str) -> Any:
    """Return one column; errors of its library become a :class:`DataError`."""
    try:
        return columns.column(position)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"column {name!r} cannot be read: {error_line(error)}", expected="real numbers") from error
