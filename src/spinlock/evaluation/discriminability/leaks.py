"""Attributes that a single input column determines, so that probes of features and tokens are trivially good.

Letters: ``m`` rows, ``D`` input columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.rows import EvaluatedRows

MIN_CORRELATION = 0.9999
"""Absolute correlation above which a column determines a number."""

MIN_ROWS = 20
"""Minimum number of rows for such a statement."""


def determining_column(rows: EvaluatedRows, attribute: Attribute) -> str | None:
    """Return the name of the first input column that determines an attribute, or None.

    A column determines a number if both are linearly related, with |r| >= 0.9999. It determines classes if each class
    has its own interval of the column: the sorted rows then change their class once less than there are classes.

    Parameters
    ----------
    rows
        Evaluated rows.
    attribute
        A label or a parameter of these rows.

    Returns
    -------
    str or None
    """
    names = rows.coder.cleaner.names
    present = attribute.present
    for j in range(rows.raw.shape[1]):
        column = rows.raw[:, j].astype(np.float64)
        usable = present & np.isfinite(column)
        if usable.sum() < max(MIN_ROWS, 0.9 * present.sum()):
            continue
        values = column[usable]
        if attribute.is_numeric:
            if _is_linear(values, attribute.numbers[usable]):
                return names[j]
        elif _has_intervals(values, attribute.codes[usable]):
            return names[j]
    return None


def _is_linear(values: NDArray[np.float64], numbers: NDArray[np.float64]) -> bool:
    a, b = values - values.mean(), numbers - numbers.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return norm > 0 and abs(float(a @ b)) >= MIN_CORRELATION * norm


def _has_intervals(values: NDArray[np.float64], codes: NDArray[np.int64]) -> bool:
    """Return whether each class has its own interval; equal values of two classes count as a change."""
    order = np.lexsort((codes, values))
    values, codes = values[order], codes[order]
    changes = codes[1:] != codes[:-1]
    if changes.sum() != len(np.unique(codes)) - 1:
        return False
    return bool((values[1:][changes] > values[:-1][changes]).all())
