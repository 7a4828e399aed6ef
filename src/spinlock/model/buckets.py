"""Which categories share a batched product: min over buckets of sum_b (B + C_b W_b), W_b the widest of the C_b in b.

A batched product pads its categories to the widest. Padding all of them to one width would multiply the work, a bucket
for each would spend its time in launching: a bucket costs as much as B columns that a step carries along.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

BUCKET_COST = 50
"""What a bucket costs, in columns: a step on two cores takes 4 to 5 ms longer for one, 0.09 ms for the other."""


def bucket_sizes(widths: Sequence[int]) -> tuple[int, ...]:
    """How many categories each bucket takes, widest first; ``widths`` [C], columns of each, do not increase.

    >>> bucket_sizes([124, 106, 36, 31, 12, 12, 8, 6, 5, 4])
    (2, 2, 6)
    """
    assert list(widths) == sorted(widths, reverse=True), "categories are ordered by size"
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())]  # cost and sizes of the first categories alone
    for end in range(1, len(widths) + 1):
        options = (
            (best[start][0] + BUCKET_COST + (end - start) * widths[start], (*best[start][1], end - start))
            for start in range(end)
        )
        best.append(min(options))
    return best[-1][1]


def slices(sizes: Sequence[int]) -> list[slice]:
    """The categories of each bucket.

    >>> slices((2, 1))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
