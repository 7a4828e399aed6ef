"""Conversion of one array to real numbers, with an error that names what it contains instead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

KINDS = {
    "M": "dates",
    "m": "durations",
    "S": "bytes",
    "U": "text",
    "c": "complex numbers",
    "V": "records",
}
"""{kind of a NumPy dtype: what the values are called in messages}."""


def real_numbers(values: Any, what: str) -> NDArray[Any]:
    """Return an array of real numbers; hidden cells of a masked array and missing objects are NaN.

    Parameters
    ----------
    values
        An array, or an object that NumPy can convert.
    what
        Name of the values in messages, for example ``features`` or ``column 'a'``.

    Raises
    ------
    DataError
        The values are not real numbers; the message says what they are.
    """
    try:
        array: NDArray[Any] = np.asanyarray(values)
    except (TypeError, ValueError):
        content = f"rows of different lengths ({type(values).__name__})"
        raise DataError(f"{what} contain {content}", expected="rows of equal length") from None
    if array.dtype.kind in KINDS:
        raise _content_error(what, KINDS[array.dtype.kind])
    if isinstance(array, np.ma.MaskedArray):
        kept = array.data if array.dtype.kind == "f" else array.data.astype(np.float64)
        return np.where(np.ma.getmaskarray(array), kept.dtype.type(np.nan), kept)
    return np.asarray(array) if array.dtype.kind in "fiub" else _from_objects(np.asarray(array), what)


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
        numbers[index] = float(value)
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
    return DataError(f"{what} contain{'' if what == 'features' else 's'} {content}", expected="real numbers")
