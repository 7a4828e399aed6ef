"""Partitions of columns as arrays of labels: groups, merging and renumbering.

Letters: ``D`` columns, ``C`` categories.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def groups_of(labels: Labels) -> list[NDArray[np.int64]]:
    """Return the columns of each category in ascending order.

    Parameters
    ----------
    labels
        Category of each column [D], 0 to C - 1.

    Returns
    -------
    list of numpy.ndarray
        C arrays of column indices.
    """
    return [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]


def merge_labels(labels: Labels, first: int, second: int) -> Labels:
    """Merge two categories under the smaller of their numbers, and renumber the categories without a gap.

    Parameters
    ----------
    labels
        Category of each column [D].
    first, second
        Categories to merge.

    Returns
    -------
    numpy.ndarray
        Category of each column [D], 0 to C - 2.
    """
    low, high = min(first, second), max(first, second)
    merged = np.where(labels == high, low, labels)
    return np.where(merged > high, merged - 1, merged)


def order_by_size(labels: Labels, num_fixed: int = 0) -> Labels:
    """Renumber the categories in descending order of size, and of equal sizes in the order of their first columns.

    Parameters
    ----------
    labels
        Category of each column [D].
    num_fixed
        Number of leading categories that keep their numbers.

    Returns
    -------
    numpy.ndarray
        New category of each column [D].
    """
    count = int(labels.max()) + 1
    key = [(-int((labels == c).sum()), int(np.argmax(labels == c))) for c in range(count)]
    order = [*range(num_fixed), *sorted(range(num_fixed, count), key=lambda c: key[c])]
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return rank[labels]
