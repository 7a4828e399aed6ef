"""Flattened rows: [N, D] and [N, M, D] datasets read and written as one list of N * M rows, in file order.

Letters: ``N`` operators, ``M`` rows of one operator (realizations or time steps), ``D`` columns.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def hyperslabs(start: int, stop: int, per_operator: int) -> Iterator[tuple[slice, slice, int]]:
    """Cover rows [start, stop) with at most three boxes (operators, steps, rows), whole operators in one."""
    while start < stop:
        operator, step = divmod(start, per_operator)
        if step or stop - start < per_operator:
            count = min(per_operator - step, stop - start)
            yield slice(operator, operator + 1), slice(step, step + count), count
        else:
            whole = (stop - start) // per_operator
            count = whole * per_operator
            yield slice(operator, operator + whole), slice(0, per_operator), count
        start += count


def read_rows(dataset: Any, start: int, stop: int, *, per_operator: int | None) -> NDArray[Any]:
    """Rows [start, stop) of a dataset [N, ...], or [N, M, ...] when ``per_operator`` is M, as [n, ...]."""
    if per_operator is None:
        return np.asarray(dataset[start:stop])
    parts = []
    for operators, steps, count in hyperslabs(start, stop, per_operator):
        part = np.asarray(dataset[operators, steps])
        parts.append(part.reshape(count, *part.shape[2:]))
    if not parts:
        return np.empty((0, *dataset.shape[2:]), dtype=dataset.dtype)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def write_rows(dataset: Any, start: int, values: NDArray[Any], *, per_operator: int | None) -> None:
    """Put ``values`` [n, ...] at flattened rows [start, start + n), where :func:`read_rows` finds them."""
    if per_operator is None:
        dataset[start : start + len(values)] = values
        return
    done = 0
    for operators, steps, count in hyperslabs(start, start + len(values), per_operator):
        box = (operators.stop - operators.start, steps.stop - steps.start, *values.shape[1:])
        dataset[operators, steps] = values[done : done + count].reshape(box)
        done += count
