"""Checks of the arguments of public functions, so that a wrong type is an error of one line before any work."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeVar

from spinlock.errors import DataError

Item = TypeVar("Item")


def checked_integer(name: str, value: Any, *, minimum: int, maximum: int | None = None, where: str = "") -> int:
    """Return an argument as int, or raise an error unless it is an integer in its range.

    Parameters
    ----------
    name
        Name of the argument.
    value
        The argument; an integer of NumPy is also accepted, a bool or a float is not.
    minimum, maximum
        Range of the argument; None means no upper limit.
    where
        Place, for the message.

    Raises
    ------
    DataError
        The argument is not an integer, or outside its range.
    """
    expected = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise DataError(f"{name} is {_shown(value)}", where=where, expected=f"an integer, {expected}")
    if number < minimum or (maximum is not None and number > maximum):
        raise DataError(f"{name} is {number}", where=where, expected=expected)
    return number


def checked_instance(name: str, value: Any, kind: type[Item]) -> Item:
    """Return an argument, or raise a :class:`DataError` unless it is an instance of a class."""
    if isinstance(value, kind):
        return value
    is_class = isinstance(value, type) and issubclass(value, kind)
    label = f"{kind.__module__}.{kind.__name__}"
    remedy = f"call the class: {value.__name__}()" if is_class else f"derive a class from {label}"
    raise DataError(f"{name} is {_shown(value)}", expected=f"an instance of {label}", remedy=remedy)


def checked_items(name: str, values: Any, kind: type[Item]) -> Sequence[Item]:
    """Return an argument as a list, or raise a :class:`DataError` unless it is a list of instances of a class."""
    if isinstance(values, kind) or not isinstance(values, list | tuple):
        what = f"one {kind.__name__}" if isinstance(values, kind) else _shown(values)
        expected = f"a list of instances of {kind.__module__}.{kind.__name__}"
        raise DataError(f"{name} is {what}", expected=expected, remedy=f"pass {name}=[...]")
    return [checked_instance(f"an item of {name}", value, kind) for value in values]


def _shown(value: Any) -> str:
    """Return a short value as a literal, or else the name of its type."""
    text = repr(value)
    return text if len(text) <= 40 and text.isprintable() else f"of type {type(value).__name__}"
