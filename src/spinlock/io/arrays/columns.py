"""Named columns of data frames, labeled arrays and records. Their libraries are not imported here.

Data frames of polars, pyarrow and other libraries are read with narwhals, which imports only what the caller has
imported.

Letters: ``N`` rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinlock.errors import DataError


@dataclass(frozen=True)
class NamedColumns:
    """Columns with names: ``names`` [D], and a function that returns the column [N] or [N, M] at a position."""

    names: list[str]
    column: Callable[[int], Any]


def named_columns(features: Any) -> NamedColumns | None:
    """Return the columns of an object that names them, or None for an array or a tensor.

    Parameters
    ----------
    features
        A data frame, a lazy frame, a mapping of columns, a record array, an ``xarray.DataArray`` with a coordinate of
        its last dimension, or an ``AnnData``.

    Raises
    ------
    DataError
        The object has several tables, of which one must be chosen.
    """
    if hasattr(features, "iloc") and hasattr(features, "columns"):
        return NamedColumns([str(name) for name in features.columns], lambda j: _pandas_column(features.iloc[:, j]))
    if isinstance(features, Mapping) and not hasattr(features, "dims"):
        values = list(features.values())
        return NamedColumns([str(name) for name in features], lambda j: values[j])
    names = getattr(getattr(features, "dtype", None), "names", None)
    if names is not None:
        return NamedColumns(list(names), lambda j: features[names[j]])
    if hasattr(features, "var_names") and hasattr(features, "X"):
        dense = dense_array(features.X)
        return NamedColumns([str(name) for name in features.var_names], lambda j: dense[:, j])
    if hasattr(features, "dims") and hasattr(features, "coords"):
        return _labeled_array(features)
    return _frame(features)


def dense_array(values: Any) -> Any:
    """Return a sparse matrix of SciPy as an array, and other values unchanged."""
    is_sparse = type(values).__module__.startswith("scipy.sparse") and hasattr(values, "toarray")
    return values.toarray() if is_sparse else values


def _pandas_column(series: Any) -> Any:
    """Return a column of pandas, whose missing cells may be ``pandas.NA``, as an array."""
    kind = getattr(series.dtype, "kind", "O")
    if kind not in "fiub" or type(series.dtype).__module__.startswith("numpy"):
        return np.asarray(series)
    return series.to_numpy(dtype=np.float64 if kind in "fiu" else object, na_value=np.nan if kind in "fiu" else None)


def _labeled_array(features: Any) -> NamedColumns | None:
    """Return the columns of an ``xarray.DataArray``; its names are the coordinate of the last dimension."""
    if hasattr(features, "data_vars"):
        raise DataError(
            f"features are a {type(features).__name__} of {len(features.data_vars)} variables",
            expected="one table",
            remedy="pass one of its variables, or dataset.to_dataframe()",
        )
    if not features.dims or features.dims[-1] not in features.coords:
        return None
    names = [str(name) for name in features.coords[features.dims[-1]].values.tolist()]
    values = np.asarray(features.values)
    return NamedColumns(names, lambda j: values[..., j])


def _frame(features: Any) -> NamedColumns | None:
    """Return the columns of a data frame that narwhals knows, or None for another object."""
    import narwhals  # takes a tenth of a second, and arrays do not need it

    if isinstance(features, np.ndarray | list | tuple) or hasattr(features, "detach"):
        return None
    frame = narwhals.from_native(features, pass_through=True)
    if isinstance(frame, narwhals.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, narwhals.DataFrame):
        return None
    return NamedColumns(list(frame.columns), lambda j: frame[:, j].to_numpy())
