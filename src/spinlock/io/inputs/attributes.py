"""Attributes of an input file, read as the type that a layout expects.

A missing attribute gives the default, if there is one. An attribute of another type is an error whose message contains
its value.
"""

from typing import Any

import numpy as np

from spinlock.errors import DataError, shortened


def texts(attributes: Any, name: str, where: str) -> list[str]:
    """Return a list of texts, stored as text of any kind; a missing attribute is an empty list."""
    if name not in attributes:
        return []
    values = np.ravel(np.asarray(attributes[name])).tolist()
    try:
        decoded = [value.decode() if isinstance(value, bytes) else value for value in values]
        "".join(value for value in decoded if isinstance(value, str)).encode()  # fails where h5py could not decode
    except UnicodeError:
        decoded = [None]
    if not all(isinstance(value, str) for value in decoded):
        raise DataError(f"attribute {name} is {shortened(repr(values))}", where=where, expected="UTF-8 text")
    return decoded


def flags(attributes: Any, name: str, default: list[bool], where: str) -> list[bool]:
    """Return as many true or false values as the default has."""
    values = np.ravel(np.asarray(attributes[name])) if name in attributes else np.array(default)
    if values.dtype.kind not in "biu" or len(values) != len(default):
        expected = f"{len(default)} values that are true or false" if len(default) > 1 else "true or false"
        raise DataError(f"attribute {name} is {shortened(repr(values.tolist()))}", where=where, expected=expected)
    return [bool(value) for value in values]


def flag(attributes: Any, name: str, default: bool, where: str) -> bool:
    """Return one true or false value."""
    return flags(attributes, name, [default], where)[0]


def positive_integer(attributes: Any, name: str, where: str) -> int:
    """Return one integer of at least 1; a missing attribute is an error."""
    if name not in attributes:
        raise DataError(f"has no attribute {name}", where=where, expected="an integer of at least 1")
    value = np.asarray(attributes[name])
    if value.size != 1 or value.dtype.kind not in "iu" or value.item() < 1:
        shown = shortened(repr(value.tolist()))
        raise DataError(f"attribute {name} is {shown}", where=where, expected="an integer of at least 1")
    return int(value.item())
