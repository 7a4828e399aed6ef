"""Values that stand for missing cells, which the attributes of an array or of a dataset name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from spinlock.errors import DataError, shortened

FILL_ATTRIBUTES = ("_FillValue", "missing_value")
"""Attributes with values that stand for missing cells, as in netCDF files."""

MAX_FILL_VALUES = 8
"""Maximum number of values of a fill attribute that are used; the standard of netCDF files allows one."""


def fill_values(
    attributes: Any, dtype: np.dtype[Any], where: str, note: Callable[[str], None] = lambda text: None
) -> set[Any]:
    """Return the values that stand for missing cells, in the type of the cells; of each attribute the first eight.

    A value can be text. A value that is not a number of the type of the cells is ignored, and noted.

    Parameters
    ----------
    attributes
        Mapping of the attributes.
    dtype
        Type of the cells.
    where
        The array or dataset, for messages.
    note
        Called with what the user should know.

    Raises
    ------
    DataError
        An attribute cannot be read.
    """
    values: set[Any] = set()
    for name in FILL_ATTRIBUTES if dtype.kind in "fiu" else ():
        try:
            stored = np.ravel(np.asarray(attributes[name])) if name in attributes else np.empty(0)
        except (OSError, TypeError, ValueError) as error:
            raise DataError(f"has an attribute {name} that cannot be read", where=where) from error
        for value in stored[:MAX_FILL_VALUES].tolist():
            number = _number(value)
            converted = None if number is None else _converted(number, dtype)
            if converted is not None:
                values.add(converted)
            elif number is None or number == number:
                what = f"{shortened(repr(value))}, which is not a number of the type {dtype}"
                note(f"{where}: the attribute {name} is {what}, and is ignored")
    return values


def _number(value: Any) -> int | float | None:
    """Return a value of an attribute as a number, or None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    for convert in (int, float):
        try:
            return convert(value) if isinstance(value, str | bytes) else None
        except ValueError:
            continue
    return None


def _converted(number: int | float, dtype: np.dtype[Any]) -> Any:
    """Return a number in the type of the cells, or None if this type does not have it, or if it is NaN."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            converted = np.asarray(number).astype(dtype).item()
    except (OverflowError, TypeError, ValueError):
        return None
    is_exact = number == number if dtype.kind == "f" else converted == number
    return converted if is_exact else None
