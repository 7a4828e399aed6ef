"""Pearson correlations between columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def correlation_matrix(rows: Floats) -> Floats:
    """Pearson correlations [D, D] of rows [n, D]; a constant column correlates with nothing but itself."""
    centered = rows - rows.mean(0)
    length = np.sqrt(np.square(centered).sum(0))
    scaled = centered / np.where(length > 0, length, 1.0)
    correlation: Floats = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
