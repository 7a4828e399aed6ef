"""Labels of columns as groups, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def groups_of(labels: Labels) -> list[NDArray[np.int64]]:
    """Labels [D] in 0..C-1 to the columns of each category, in order."""
    return [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]


def merged(labels: Labels, first: int, second: int) -> Labels:
    """The labels with two categories joined under the smaller number, the numbers kept without a gap."""
    low, high = min(first, second), max(first, second)
    joined = np.where(labels == high, low, labels)
    return np.where(joined > high, joined - 1, joined)


def by_size(labels: Labels, fixed: int = 0) -> Labels:
    """Renumber the categories from ``fixed`` on, largest first (ties by first column); the first ``fixed`` stay."""
    count = int(labels.max()) + 1
    key = [(-int((labels == c).sum()), int(np.argmax(labels == c))) for c in range(count)]
    order = [*range(fixed), *sorted(range(fixed, count), key=lambda c: key[c])]
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return rank[labels]
