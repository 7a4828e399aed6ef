"""Buckets of categories that share a batched product: min over partitions of sum_b (B + C_b W_b).

A batched product pads the C_b categories of bucket b to the widest one, W_b. One width for all categories would
multiply the work, and one bucket for each category would spend most of the time on launching kernels. The cost B of a
bucket is expressed in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

BUCKET_COST = 50
"""Cost of a bucket, in columns: on two cores a bucket takes 4 to 5 ms of a step, and a column 0.09 ms."""


def bucket_sizes(widths: Sequence[int]) -> tuple[int, ...]:
    """Return the number of categories of each bucket, which minimizes the cost of a step.

    Parameters
    ----------
    widths
        Columns of each category [C], in descending order.

    Examples
    --------
    >>> bucket_sizes([124, 106, 36, 31, 12, 12, 8, 6, 5, 4])
    (2, 2, 6)
    """
    assert list(widths) == sorted(widths, reverse=True), "categories are ordered by size"
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())]  # cost and sizes for the first categories alone
    for end in range(1, len(widths) + 1):
        options = (
            (best[start][0] + BUCKET_COST + (end - start) * widths[start], (*best[start][1], end - start))
            for start in range(end)
        )
        best.append(min(options))
    return best[-1][1]


def slices(sizes: Sequence[int]) -> list[slice]:
    """Return the categories of each bucket.

    Examples
    --------
    >>> slices((2, 1))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
