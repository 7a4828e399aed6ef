"""Flattened rows: a dataset [N, D] or [N, M, D] is read and written as a sequence of N or N * M rows in file order.

Letters: ``N`` operators, ``M`` rows of one operator (realizations or time steps), ``D`` columns, ``n`` rows of a block.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def hyperslabs(start: int, stop: int, per_operator: int) -> Iterator[tuple[slice, slice, int]]:
    """Divide the flattened rows [start, stop) into at most three boxes; one of them contains all complete operators.

    Parameters
    ----------
    start, stop
        Range of flattened rows.
    per_operator
        Rows of one operator M.

    Yields
    ------
    operators, steps : slice
        The box.
    count : int
        Number of rows in the box.
    """
    while start < stop:
        operator, step = divmod(start, per_operator)
        if step or stop - start < per_operator:
            count = min(per_operator - step, stop - start)
            yield slice(operator, operator + 1), slice(step, step + count), count
        else:
            num_operators = (stop - start) // per_operator
            count = num_operators * per_operator
            yield slice(operator, operator + num_operators), slice(0, per_operator), count
        start += count


def read_rows(dataset: Any, start: int, stop: int, *, per_operator: int | None) -> NDArray[Any]:
    """Read the flattened rows [start, stop).

    Parameters
    ----------
    dataset
        Dataset [N, ...], or [N, M, ...] with ``per_operator``.
    start, stop
        Range of flattened rows.
    per_operator
        Rows of one operator M; None for a dataset without this axis.

    Returns
    -------
    numpy.ndarray
        Rows [n, ...].
    """
    if per_operator is None:
        return np.asarray(dataset[start:stop])
    boxes = []
    for operators, steps, count in hyperslabs(start, stop, per_operator):
        box = np.asarray(dataset[operators, steps])
        boxes.append(box.reshape(count, *box.shape[2:]))
    if not boxes:
        return np.empty((0, *dataset.shape[2:]), dtype=dataset.dtype)
    return boxes[0] if len(boxes) == 1 else np.concatenate(boxes)


def write_rows(dataset: Any, start: int, values: NDArray[Any], *, per_operator: int | None) -> None:
    """Write ``values`` [n, ...] to the flattened rows [start, start + n), the inverse of :func:`read_rows`.

    Parameters
    ----------
    dataset
        Dataset [N, ...], or [N, M, ...] with ``per_operator``.
    start
        First flattened row.
    values
        Rows [n, ...].
    per_operator
        Rows of one operator M; None for a dataset without this axis.
    """
    if per_operator is None:
        dataset[start : start + len(values)] = values
        return
    written = 0
    for operators, steps, count in hyperslabs(start, start + len(values), per_operator):
        shape = (operators.stop - operators.start, steps.stop - steps.start, *values.shape[1:])
        dataset[operators, steps] = values[written : written + count].reshape(shape)
        written += count
