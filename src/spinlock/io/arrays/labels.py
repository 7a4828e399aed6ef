"""Labels of operators that are given with an array.

Letters: ``N`` operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError, error_line
from spinlock.io.arrays.tensors import is_tensor, tensor_values
from spinlock.io.names import check_name


def check_labels(labels: Mapping[str, Any], operators: int) -> dict[str, NDArray[Any]]:
    """Convert labels to arrays.

    Parameters
    ----------
    labels
        {name: values [N]}, texts or numbers.
    operators
        Number of operators N.

    Raises
    ------
    DataError
        A name is not a text, or a label does not have one value for each operator, of types that can be compared.
    """
    if not isinstance(labels, Mapping):
        raise DataError(f"labels are of type {type(labels).__name__}", expected="a mapping {name: values}")
    for name in labels:
        check_name("name of a label", name)
    return {name: _label(name, values, operators) for name, values in labels.items()}


def _label(name: str, values: Any, operators: int) -> NDArray[Any]:
    """Return a label as an array [N] after a check; see :func:`check_labels`."""
    expected = f"[{operators}], one value for each operator"
    values = tensor_values(values, f"label {name!r}") if is_tensor(values) else values
    try:
        array: NDArray[Any] = np.asanyarray(values)
    except ValueError:
        raise DataError(f"label {name!r} has values of different lengths", expected=expected) from None
    except Exception as error:  # of the type of the values
        raise DataError(f"label {name!r} cannot be read as an array: {error_line(error)}", expected=expected) from error
    if np.ma.is_masked(array):
        remedy = "give the masked operators a label, or leave them out"
        raise DataError(f"label {name!r} has masked values", expected=expected, remedy=remedy)
    array = np.asarray(array)
    if array.shape != (operators,):
        raise DataError(f"label {name!r} has shape {list(array.shape)}", expected=expected)
    if array.dtype.kind in "OUSfMm":
        _check_values(name, array.tolist() if isinstance(values, np.ndarray) else values)
    if array.dtype.kind == "O":
        try:
            np.sort(array)
        except TypeError as error:
            remedy = "convert the values to text"
            raise DataError(f"values of label {name!r} cannot be compared: {error}", remedy=remedy) from None
    return array


def _check_values(name: str, values: Any) -> None:
    """Raise a :class:`DataError` if a value is missing or contains NUL, which NumPy removes from the end of a text."""
    for position, value in enumerate(values):
        is_missing = value is None or type(value).__name__ in ("NAType", "NaTType")
        if is_missing or (isinstance(value, float) and value != value):
            raise DataError(
                f"label {name!r} has no value for operator {position} (it is {value!r})",
                expected="one text or number for each operator",
                remedy="give these operators a label, or leave them out",
            )
        if isinstance(value, str | bytes) and ("\0" in value if isinstance(value, str) else 0 in value):
            raise DataError(f"value {position} of label {name!r} is {value!r}", expected="text without NUL characters")
