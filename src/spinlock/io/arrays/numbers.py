"""Conversion of one array to real numbers, with an error that names what it contains instead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError, error_line
from spinlock.io.arrays.lists import check_unnamed, is_plain
from spinlock.io.arrays.stored import is_stored, stored_values
from spinlock.io.arrays.tensors import dense_array, is_tensor, tensor_values
from spinlock.io.inputs.fill_values import fill_values

KINDS = {
    "M": "dates",
    "m": "durations",
    "S": "bytes",
    "T": "text",
    "U": "text",
    "c": "complex numbers",
    "V": "records",
}
"""{kind of a NumPy dtype: what the values are called in messages}."""

PLURAL_WORDS = ("features", "tokens")
"""Names of whole tables in messages; other names are those of one column."""


def real_numbers(values: Any, what: str) -> NDArray[Any]:
    """Return an array of real numbers; missing and hidden cells are NaN.

    Missing are None and similar objects, hidden cells of masked arrays, and cells that equal an attribute
    ``_FillValue`` or ``missing_value`` of an object with attributes, such as an undecoded ``xarray.DataArray``.

    Parameters
    ----------
    values
        An array, a tensor, a sparse matrix, a dataset of an open HDF5 file, a list of these, or an object that NumPy
        can convert.
    what
        Name of the values in messages, for example ``features`` or ``column 'a'``.

    Raises
    ------
    DataError
        The values are not real numbers; the message says what they are.
    """
    if isinstance(values, list | tuple):
        return _from_list(values, what)
    if is_stored(values):
        return _checked_numbers(stored_values(values), what)
    array = _checked_numbers(_as_array(values, what), what)
    attributes = getattr(values, "attrs", None)
    fills = fill_values(attributes, array.dtype, what) if hasattr(attributes, "keys") else set()
    missing = np.isin(array, list(fills)) if fills else np.zeros(1, dtype=np.bool_)
    return np.where(missing, np.nan, array) if missing.any() else array


def _from_list(values: Any, what: str) -> NDArray[Any]:
    """Convert a list of numbers, of lists, or of arrays or tensors, each of which is converted by itself."""
    try:
        if is_plain(values):
            return _checked_numbers(_as_array(values, what), what)
        for value in values:
            check_unnamed(value, what)
        arrays = [real_numbers(value, what) for value in values]
    except RecursionError:
        raise DataError(f"{what} are lists that are nested too deeply", expected="[N, D] or [N, M, D]") from None
    if len({array.shape for array in arrays}) > 1:
        raise _lengths_error(values, what)
    return np.stack(arrays)


def _as_array(values: Any, what: str) -> NDArray[Any]:
    """Return an object as an array, and numbers that only other libraries have, such as bfloat16, as float32."""
    if is_tensor(values):
        values = tensor_values(values, what)
    try:
        array: NDArray[Any] = np.asanyarray(dense_array(values))
        if array.dtype.kind == "V" and not issubclass(array.dtype.type, np.void):
            array = array.astype(np.float32)
    except (ValueError, TypeError) as error:
        if isinstance(values, list | tuple):
            raise _lengths_error(values, what) from None
        raise _conversion_error(values, what, error) from error
    except Exception as error:  # of the type of the values
        raise _conversion_error(values, what, error) from error
    return array


def _checked_numbers(array: NDArray[Any], what: str) -> NDArray[Any]:
    """Return an array with NaN in hidden cells, or raise an error that says what it contains."""
    if array.dtype.kind in KINDS:
        raise _content_error(what, KINDS[array.dtype.kind])
    hidden = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else np.zeros(1, dtype=np.bool_)
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        if hidden.any():
            array = array.copy()
            array[hidden] = None
        return _from_objects(array, what)
    if not hidden.any():
        return array
    kept = array if array.dtype.kind == "f" else array.astype(np.float64)
    return np.where(hidden, kept.dtype.type(np.nan), kept)


def _from_objects(array: NDArray[Any], what: str) -> NDArray[np.float64]:
    """Convert an array of Python objects; None and ``pandas.NA`` are missing."""
    flat = array.ravel()
    numbers = np.empty(flat.shape, dtype=np.float64)
    for index, value in enumerate(flat):
        if value is None or type(value).__name__ in ("NAType", "MaskedConstant"):
            numbers[index] = np.nan
            continue
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        if isinstance(value, str | bytes | complex) or kind in KINDS or not _is_number(value):
            raise _content_error(what, _name(value, kind))
        try:
            numbers[index] = float(value)
        except OverflowError:
            raise _content_error(what, "integers that are too large for a floating-point number") from None
        except Exception as error:  # of the type of the value
            content = f"objects of type {type(value).__name__} that are no numbers: {error_line(error)}"
            raise _content_error(what, content) from error
    return numbers.reshape(array.shape)


def _is_number(value: Any) -> bool:
    """Return whether an object is one number; arrays and tensors also have ``__float__``."""
    return hasattr(value, "__float__") and getattr(value, "ndim", 0) == 0


def _name(value: Any, kind: str) -> str:
    """Return what a value is called in messages."""
    if isinstance(value, str):
        return f"text ({value!r:.40})"
    if isinstance(value, bytes):
        return KINDS["S"]
    if isinstance(value, complex) or kind in KINDS:
        return KINDS.get(kind, KINDS["c"])
    return f"objects of type {type(value).__name__}"


def _content_error(what: str, content: str) -> DataError:
    return DataError(f"{what} contain{'' if what in PLURAL_WORDS else 's'} {content}", expected="real numbers")


def _lengths_error(values: Any, what: str) -> DataError:
    contain = "contain" if what in PLURAL_WORDS else "contains"
    content = f"rows of different lengths ({type(values).__name__})"
    return DataError(f"{what} {contain} {content}", expected="rows of equal length")


def _conversion_error(values: Any, what: str, error: Exception) -> DataError:
    content = f"of type {type(values).__name__} that cannot be converted to an array: {error_line(error)}"
    return DataError(f"{what} {'are' if what in PLURAL_WORDS else 'is'} {content}", expected="real numbers")
