"""Partition of the categories into buckets: each bucket shares batched matrix products.

The partition minimizes sum_b (F + C_b W_b). Bucket b has C_b categories, which a batched product pads to the width W_b
of the widest one. F is the fixed cost of a bucket, in columns. The padding of a single bucket would multiply the work,
and one bucket per category would spend most of the time on launching kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

BUCKET_COST = 50
"""Fixed cost of a bucket, in columns. On two cores a bucket takes 4 to 5 ms of a step, and a column 0.09 ms."""


def bucket_sizes(widths: Sequence[int]) -> tuple[int, ...]:
    """Return the number of categories of each bucket in the partition of smallest cost.

    Parameters
    ----------
    widths
        Number of columns of each category [C], in descending order.

    Returns
    -------
    tuple of int
        Sizes of the buckets, in the order of the categories.

    Examples
    --------
    >>> bucket_sizes([124, 106, 36, 31, 12, 12, 8, 6, 5, 4])
    (2, 2, 6)
    """
    assert list(widths) == sorted(widths, reverse=True), "categories are ordered by size"
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())]  # best[i]: cost and sizes for the first i categories
    for end in range(1, len(widths) + 1):
        options = (
            (best[start][0] + BUCKET_COST + (end - start) * widths[start], (*best[start][1], end - start))
            for start in range(end)
        )
        best.append(min(options))
    return best[-1][1]


def slices(sizes: Sequence[int]) -> list[slice]:
    """Return the categories of each bucket as a slice of all categories.

    Parameters
    ----------
    sizes
        Number of categories of each bucket.

    Examples
    --------
    >>> slices((2, 1))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
