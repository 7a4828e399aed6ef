"""Pearson correlations between columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def correlation_matrix(rows: Floats) -> Floats:
    """Return the Pearson correlations of all pairs of columns.

    A constant column has correlation 1 with itself and 0 with every other column, where ``numpy.corrcoef`` gives NaN.

    Parameters
    ----------
    rows
        Table [n, D].

    Returns
    -------
    numpy.ndarray
        Correlations [D, D] in [-1, 1], with ones on the diagonal.
    """
    centered = rows - rows.mean(0)
    norm = np.sqrt(np.square(centered).sum(0))
    scaled = centered / np.where(norm > 0, norm, 1.0)
    correlation: Floats = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
