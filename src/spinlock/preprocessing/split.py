"""Split into training rows and validation rows. Validation rows select the best epoch and give the reported metrics.

All rows of an operator, and all operators of a group, are on the same side. Otherwise the validation rows would contain
near-copies of training rows, and the validation metrics would be too good.

Letters: ``N`` operators, ``M`` rows of one operator.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

Rows = NDArray[np.int64]

MIN_ROWS = 30
"""Minimum number of rows; with fewer rows, percentiles and metrics are meaningless."""


@dataclass(frozen=True)
class Split:
    """Sorted indices of the training and validation rows, and of the operators to which these rows belong."""

    train: Rows
    validation: Rows
    train_operators: Rows
    validation_operators: Rows


def split_rows(
    num_operators: int,
    rows_per_operator: int,
    *,
    validation_fraction: float,
    seed: int,
    groups: NDArray[Any] | None = None,
) -> Split:
    """Split N operators into training and validation operators.

    The validation operators are the first round(fraction * N) of ``default_rng(seed).permutation(N)``. With ``groups``,
    the distinct labels are permuted instead. A group is added to the validation operators if their number comes closer
    to the fraction. At least one group is on each side.

    Parameters
    ----------
    num_operators
        Number of operators N.
    rows_per_operator
        Number of rows of each operator M.
    validation_fraction
        Fraction of the operators for validation.
    seed
        Seed of the permutation.
    groups
        Group label of each operator, [N].

    Returns
    -------
    Split

    Raises
    ------
    DataError
        There are fewer than :data:`MIN_ROWS` rows, one side is empty, there are fewer than two groups, or the number
        of labels is not N.
    """
    rows = num_operators * rows_per_operator
    if rows < MIN_ROWS:
        raise DataError(f"the table has {rows} rows", expected=f"at least {MIN_ROWS} rows for training and validation")
    target = round(validation_fraction * num_operators)
    if groups is None:
        selected = np.random.default_rng(seed).permutation(num_operators)[:target]
    else:
        selected = _validation_groups(np.asarray(groups), num_operators, target, seed)
    if not 0 < len(selected) < num_operators:
        empty = "validation" if len(selected) == 0 else "training"
        raise DataError(
            f"no {empty} rows: validation_fraction {validation_fraction:g} of {num_operators} operators is "
            f"{len(selected)}",
            remedy=f"set validation_fraction between {1 / num_operators:.2g} and {1 - 1 / num_operators:.2g}",
        )
    is_validation = np.zeros(num_operators, dtype=bool)
    is_validation[selected] = True
    train, validation = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
    return Split(rows_of(train, rows_per_operator), rows_of(validation, rows_per_operator), train, validation)


def rows_of(operators: Rows, rows_per_operator: int) -> Rows:
    """Return the indices of all rows of some operators. If each has one row, this is ``operators`` itself."""
    if rows_per_operator == 1:
        return operators
    return (operators[:, None] * rows_per_operator + np.arange(rows_per_operator)).ravel()


def subsample(rows: Rows, limit: int, seed: int) -> Rows:
    """Return a random sample of at most ``limit`` row indices, in the same order.

    Parameters
    ----------
    rows
        Indices of rows.
    limit
        Maximum number of rows.
    seed
        Seed of the sample.

    Returns
    -------
    numpy.ndarray
        ``rows`` itself, or a random sample without replacement in the same order.
    """
    if len(rows) <= limit:
        return rows
    sample = np.random.default_rng(seed).choice(len(rows), size=limit, replace=False)
    return np.asarray(rows)[np.sort(sample)]


def _validation_groups(groups: NDArray[Any], num_operators: int, target: int, seed: int) -> Rows:
    """Select groups for validation, and return their operators, about ``target`` of them."""
    if groups.shape != (num_operators,):
        raise DataError(
            f"group labels of shape {groups.shape}",
            expected=f"one label for each of {num_operators} operators",
        )
    if groups.dtype.kind not in "iu":
        groups = np.unique(groups, return_inverse=True)[1]  # numpy.isin does not match NaN
    labels, sizes = np.unique(groups, return_counts=True)
    if len(labels) < 2:
        raise DataError("all operators have the same group label", expected="at least two groups to split by")
    order = np.random.default_rng(seed).permutation(len(labels))
    selected: list[int] = []
    size = 0
    for group in order:
        closer = abs(size + sizes[group] - target) <= abs(size - target)
        if closer and len(selected) < len(labels) - 1:
            selected.append(int(group))
            size += int(sizes[group])
        if size >= target:
            break
    if not selected:
        selected = [int(order[np.argmin(sizes[order])])]
    return np.flatnonzero(np.isin(groups, labels[selected]))
