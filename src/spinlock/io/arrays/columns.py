"""Named columns of data frames, labeled arrays, records and mappings. Their libraries are not imported here.

Letters: ``N`` rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinlock.errors import DataError
from spinlock.io.arrays.frames import frame_columns
from spinlock.io.arrays.labeled import labeled_columns
from spinlock.io.arrays.named_columns import NamedColumns, check_row_labels
from spinlock.io.arrays.numbers import real_numbers
from spinlock.io.arrays.stored import is_stored, stored_names


def named_columns(features: Any, expected: Sequence[str] | None = None) -> NamedColumns | None:
    """Return the columns of an object that names them, or None for an array or a tensor.

    Parameters
    ----------
    features
        A data frame, a lazy frame, a record batch, a mapping of columns, a record array, an ``xarray.DataArray`` with a
        coordinate of names, an ``AnnData``, or an ``h5py.Dataset`` with ``feature_names``.
    expected
        Names [D] of the columns that will be used, which determine the dimension of the columns of a labeled array.

    Raises
    ------
    DataError
        The object cannot be read, has several tables, of which one must be chosen, or more than one set of names.
    """
    if is_stored(features):
        return _stored_columns(features)
    if isinstance(features, Mapping) and not hasattr(features, "dims"):
        columns = list(features.values())
        check_row_labels({str(name): column for name, column in features.items()})
        return NamedColumns([str(name) for name in features], lambda j: columns[j])
    fields = getattr(getattr(features, "dtype", None), "names", None)
    if fields is not None:
        return NamedColumns(list(fields), lambda j: features[fields[j]])
    if hasattr(features, "var_names") and hasattr(features, "X"):
        return _annotated_columns(features)
    if hasattr(features, "dims") and hasattr(features, "coords"):
        return labeled_columns(features, expected)
    return frame_columns(features)


def _annotated_columns(features: Any) -> NamedColumns:
    """Return the columns of an ``AnnData``."""
    if features.X is None:
        what, remedy = f"features are an {type(features).__name__} without a matrix X", "set X, for example to a layer"
        raise DataError(what, remedy=remedy)
    values = real_numbers(features.X, "features")
    return NamedColumns([str(name) for name in features.var_names], lambda j: values[..., j])


def _stored_columns(features: Any) -> NamedColumns | None:
    """Return the columns of an ``h5py.Dataset``, or None if the file does not name them."""
    names = stored_names(features)
    if names is None:
        return None
    values = real_numbers(features, "features")
    if values.shape[-1:] != (len(names),):
        raise DataError(f"{len(names)} feature_names", expected=f"one for each column of shape {list(values.shape)}")
    return NamedColumns(names, lambda j: values[..., j])
