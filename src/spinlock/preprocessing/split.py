"""Which rows are trained on and which ones pick the checkpoint and report the metrics.

Rows of one operator, and operators of one group, always stay on the same side: two realizations of the same
operator on both sides would make the validation score a training score.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

Rows = NDArray[np.int64]

MIN_ROWS = 30
"""Below this many rows neither the percentiles nor any metric means anything."""


@dataclass(frozen=True)
class Split:
    """Sorted row indices of both sides, and the operators [N] those rows belong to."""

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
    """The first round(fraction * N) operators of ``default_rng(seed).permutation(N)`` are validation.

    With ``groups`` [N] the distinct labels are permuted instead and join the validation side one by one as
    long as that brings its size nearer to the fraction; at least one group is on each side.

    Raises:
        DataError: fewer than 30 rows in all, an empty side, fewer than two groups, or not one label per
        operator.
    """
    rows = num_operators * rows_per_operator
    if rows < MIN_ROWS:
        raise DataError(f"{rows} rows in all", expected=f"at least {MIN_ROWS} to split and train on")
    target = round(validation_fraction * num_operators)
    if groups is None:
        chosen = np.random.default_rng(seed).permutation(num_operators)[:target]
    else:
        chosen = _whole_groups(np.asarray(groups), num_operators, target, seed)
    if not 0 < len(chosen) < num_operators:
        empty = "validation" if len(chosen) == 0 else "training"
        raise DataError(
            f"no {empty} rows: validation_fraction {validation_fraction:g} of {num_operators} operators is "
            f"{len(chosen)}",
            remedy=f"set validation_fraction between {1 / num_operators:.2g} and {1 - 1 / num_operators:.2g}",
        )
    is_validation = np.zeros(num_operators, dtype=bool)
    is_validation[chosen] = True
    train, validation = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
    return Split(rows_of(train, rows_per_operator), rows_of(validation, rows_per_operator), train, validation)


def rows_of(operators: Rows, rows_per_operator: int) -> Rows:
    """The rows of some operators; the same array where each has one."""
    if rows_per_operator == 1:
        return operators
    return (operators[:, None] * rows_per_operator + np.arange(rows_per_operator)).ravel()


def _whole_groups(groups: NDArray[Any], num_operators: int, target: int, seed: int) -> Rows:
    """The operators of the groups that make up the validation side."""
    if groups.shape != (num_operators,):
        raise DataError(
            f"group labels of shape {groups.shape}",
            expected=f"one label for each of {num_operators} operators",
        )
    if groups.dtype.kind not in "iu":  # a label may be NaN, which is in nothing
        groups = np.unique(groups, return_inverse=True)[1]
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        raise DataError("all operators have the same group label", expected="at least two groups to split by")
    order = np.random.default_rng(seed).permutation(len(names))
    taken: list[int] = []
    size = 0
    for group in order:
        nearer = abs(size + sizes[group] - target) <= abs(size - target)
        if nearer and len(taken) < len(names) - 1:
            taken.append(int(group))
            size += int(sizes[group])
        if size >= target:
            break
    if not taken:
        taken = [int(order[np.argmin(sizes[order])])]
    return np.flatnonzero(np.isin(groups, names[taken]))


def subsample(train_rows: Rows, limit: int, seed: int) -> Rows:
    """``train_rows`` themselves, or a seeded sample of ``limit`` of them, sorted, when there are more."""
    if len(train_rows) <= limit:
        return train_rows
    chosen = np.random.default_rng(seed).choice(len(train_rows), size=limit, replace=False)
    return np.asarray(train_rows)[np.sort(chosen)]
