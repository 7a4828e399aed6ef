"""Values of arrays, tensors, data frames and labeled arrays as rows.

Letters: ``N`` operators, ``M`` rows of one operator, ``D`` columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.arrays.columns import NamedColumns, dense_array, named_columns
from spinlock.io.arrays.numbers import real_numbers
from spinlock.io.arrays.row_precision import RawRows, as_rows, row_dtype
from spinlock.io.names import join_names, log_ignored, match_columns


def feature_values(features: Any, expected: Sequence[str] | None = None) -> tuple[RawRows, list[str] | None]:
    """Return the values of features in memory, and the names of their columns.

    Parameters
    ----------
    features
        An array or tensor [N, D] or [N, M, D]; a sparse matrix; or an object with named columns: a data frame (pandas,
        polars, pyarrow or another library that narwhals knows), a record array, a mapping of columns, an
        ``xarray.DataArray`` or an ``AnnData``.
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
    columns = named_columns(features)
    names: list[str] | None = None
    if columns is None:
        values = np.array(real_numbers(_tensor_values(dense_array(features)), "features"))  # a copy
    else:
        names = columns.names if expected is None else list(expected)
        values = _column_values(columns, names)
    if values.ndim not in (2, 3):
        raise DataError(f"features have {values.ndim} dimensions", expected="[N, D] or [N, M, D]")
    return as_rows(values, row_dtype(values.dtype)), names


def _column_values(columns: NamedColumns, names: Sequence[str]) -> NDArray[Any]:
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
            arrays.append(real_numbers(columns.column(position), f"column {name!r}"))
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


def _tensor_values(features: Any) -> Any:
    """Return a tensor of torch as an array, and other objects unchanged; torch itself is not imported here."""
    if not hasattr(features, "detach"):
        return features
    kind = str(features.dtype)
    try:
        tensor = features.detach().cpu()
        tensor = tensor.to_dense() if str(tensor.layout) != "torch.strided" else tensor
        tensor = tensor.resolve_conj().resolve_neg()
        if kind == "torch.bfloat16" or kind.startswith("torch.float8"):
            tensor = tensor.float()
        return tensor.numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:
        expected, remedy = "a dense tensor of real numbers", "convert it first, for example with .to_dense().float()"
        raise DataError(
            f"features are a tensor of {kind} that cannot be read", expected=expected, remedy=remedy
        ) from error
