"""Attributes that input columns determine, so that probes of features and tokens are trivially good.

Letters: ``m`` rows, ``D`` input columns, ``k`` classes.
"""

from __future__ import annotations

from math import lgamma, log

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.rows import EvaluatedRows

MIN_CORRELATION = 0.999
"""Absolute rank correlation above which a column determines a number."""

MAX_WRONG = 0.01
"""Maximum fraction of rows that contradict a statement about classes, for example wrong labels."""

MIN_ROWS, MIN_FRACTION = 20, 0.5
"""Minimum number of rows with a value of the column for such a statement, and minimum fraction of the rows."""

MAX_CHANCE = 1e-3
"""Maximum probability that unrelated columns separate the classes."""


def determining_columns(rows: EvaluatedRows, attribute: Attribute) -> tuple[str, ...]:
    """Return the name of the first input column that determines an attribute, or the names of one-hot columns.

    A column determines a number if their rank correlation is at least 0.999 in absolute value. It determines classes if
    each class has its own interval of the column, except for 1 % of the rows. Columns with two values determine classes
    together if each class but one has its own column. Nothing is returned that has a probability above 0.001 for
    unrelated columns.

    Parameters
    ----------
    rows
        Evaluated rows.
    attribute
        A label or a parameter of these rows.

    Returns
    -------
    tuple of str
        Empty if no column determines the attribute.
    """
    names = rows.coder.cleaner.names
    separated: dict[int, str] = {}
    for j, column in enumerate(rows.raw.T.astype(np.float64)):
        usable = attribute.present & np.isfinite(column)
        if usable.sum() < max(MIN_ROWS, MIN_FRACTION * attribute.present.sum()):
            continue
        values = column[usable]
        if attribute.is_numeric:
            if _is_monotone(values, attribute.numbers[usable]):
                return (names[j],)
            continue
        codes = attribute.codes[usable]
        if _has_intervals(values, codes, len(names)):
            return (names[j],)
        single = _separated_class(values, codes, len(names))
        if single is not None:
            separated.setdefault(single, names[j])
    classes = np.unique(attribute.codes[attribute.present])
    return tuple(separated.values()) if 0 < len(separated) >= len(classes) - 1 else ()


def _is_monotone(values: NDArray[np.float64], numbers: NDArray[np.float64]) -> bool:
    """Return whether the ranks of two columns [m] agree, in the same or in the opposite order."""
    a, b = (ranks - ranks.mean() for ranks in (rankdata(values), rankdata(numbers)))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return norm > 0 and abs(float(a @ b)) >= MIN_CORRELATION * norm


def _has_intervals(values: NDArray[np.float64], codes: NDArray[np.int64], num_columns: int) -> bool:
    """Return whether each class has its own interval of a column, except for a few rows.

    The sorted rows then change their class once less than there are classes, and at most twice for each wrong row.
    Equal values of two classes count as a change for each row of the rarer one.
    """
    counts = np.unique(codes, return_counts=True)[1]
    allowed = len(counts) - 1 + 2 * int(MAX_WRONG * len(codes))
    if _log_chance(counts) + log(num_columns) > log(MAX_CHANCE):
        return False
    order = np.lexsort((codes, values))
    values, codes = values[order], codes[order]
    changes = codes[1:] != codes[:-1]
    tied = changes & (values[1:] == values[:-1])
    return int(changes.sum()) <= allowed and int(tied.sum()) <= allowed - (len(counts) - 1)


def _separated_class(values: NDArray[np.float64], codes: NDArray[np.int64], num_columns: int) -> int | None:
    """Return the class whose rows are those with one of the two values of a column, except for a few; else None."""
    distinct = np.unique(values)
    if len(distinct) != 2:
        return None
    for mask in (values == distinct[1], values == distinct[0]):
        frequent = int(np.bincount(codes[mask]).argmax())
        members = codes == frequent
        counts = np.array([members.sum(), (~members).sum()])
        if (mask != members).mean() <= MAX_WRONG and _log_chance(counts) + log(num_columns) <= log(MAX_CHANCE):
            return frequent
    return None


def _log_chance(counts: NDArray[np.int64]) -> float:
    """Return the logarithm of the probability that a random order of rows keeps classes of these sizes together.

    It is k! n_1! ... n_k! / m!.
    """
    sizes = counts.tolist()
    return lgamma(len(sizes) + 1) + sum(lgamma(size + 1) for size in sizes) - lgamma(sum(sizes) + 1)
