"""Names of columns: match them, and join them for messages.

Letters: ``D`` columns.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError, shortened

_log = logging.getLogger(__name__)

FEATURE_NAMES = "feature_names"
"""Name of the dataset or attribute that contains the column names."""


def check_name(what: str, name: Any) -> str:
    """Return a name, or raise a :class:`DataError` unless it is text that HDF5 can store: UTF-8 without NUL.

    Parameters
    ----------
    what
        What is named, for the message, for example ``column name``.
    name
        The name.
    """
    if not isinstance(name, str):
        raise DataError(f"{what} is {shortened(repr(name))}", expected="text")
    if "\0" in name:
        raise DataError(f"{what} is {shortened(repr(name))}", expected="text without NUL characters")
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise DataError(f"{what} is {shortened(repr(name))}", expected="UTF-8 text")
    return name


def join_names(names: Sequence[str], limit: int = 5) -> str:
    """Join names for a message, for example ``a, b, c, d, e and 12 more``.

    Parameters
    ----------
    names
        Names. Names with unprintable characters are shown as Python literals.
    limit
        Maximum number of names that are shown.

    Returns
    -------
    str
        ``(none)`` for an empty list.
    """
    shown = ", ".join(name if name.isprintable() else repr(name) for name in map(shortened, names[:limit])) or "(none)"
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def match_columns(dataset_names: Sequence[str], expected_names: Sequence[str]) -> NDArray[np.int64]:
    """Find the position of each expected column in a dataset.

    Parameters
    ----------
    dataset_names
        Names of the dataset's columns, in any order. Columns that are not expected are ignored.
    expected_names
        Names of the D expected columns.

    Returns
    -------
    numpy.ndarray
        Positions [D], so that ``x[:, match_columns(...)]`` has the expected order.

    Raises
    ------
    DataError
        Expected columns are missing; the message contains their names.
    """
    position = {name: index for index, name in enumerate(dataset_names)}
    missing = [name for name in expected_names if name not in position]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(expected_names)} columns are missing: {join_names(missing)}",
            expected="every column that the model was trained on, by name",
        )
    return np.array([position[name] for name in expected_names], dtype=np.int64)


def log_ignored(dataset_names: Sequence[str], expected_names: Sequence[str]) -> None:
    """Log the number and the names of the columns that are not expected and therefore ignored, at level INFO.

    The logger is below the logger ``spinlock``.
    """
    expected = set(expected_names)
    ignored = [name for name in dataset_names if name not in expected]
    if ignored:
        _log.info("extra columns ignored: %d (%s)", len(ignored), join_names(ignored))
