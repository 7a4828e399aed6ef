"""Pearson correlations between columns, and principal axes; for wide tables without matrices of all pairs of columns.

Letters: ``n`` rows, ``D`` columns, ``k`` axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_MATRIX_COLUMNS = 1_500
"""Maximum number of columns D for which matrices [D, D] are formed. They take 18 MB each, and 3.2 GB for 20,000."""

MIN_RELATIVE_VALUE = 1e-12
"""Principal axes of a wide table whose eigenvalue is below this fraction of the largest one are rounding errors."""

MAX_WIDE_ROWS = 4_096
"""Maximum number of rows from which the statistics of a table with more columns than this are computed."""


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


def is_wide(columns: int) -> bool:
    """Return whether a table has so many columns that its statistics are computed without matrices [D, D]."""
    return columns > MAX_MATRIX_COLUMNS


def evenly_spaced(count: int, limit: int = MAX_WIDE_ROWS) -> NDArray[np.int64]:
    """Return at most ``limit`` of the positions 0 to ``count`` - 1, at equal distances."""
    return np.linspace(0, count - 1, min(count, limit)).astype(np.int64)


def unit_columns(rows: NDArray[np.floating]) -> Floats:
    """Return centered columns of length 1, whose inner products are their Pearson correlations.

    Parameters
    ----------
    rows
        Table [n, D].

    Returns
    -------
    numpy.ndarray
        Columns [n, D] in float64; a constant column is zero.
    """
    columns = rows.astype(np.float64)
    columns -= columns.mean(0)
    norm = np.sqrt(np.einsum("nd,nd->d", columns, columns))
    columns /= np.where(norm > 0, norm, 1.0)
    return columns


def principal_axes(rows: Floats, limit: int | None = None) -> Floats:
    """Return the leading eigenvectors of X'X for rows X, those of the largest eigenvalues first.

    Parameters
    ----------
    rows
        Rows [n, D].
    limit
        Maximum number of axes.

    Returns
    -------
    numpy.ndarray
        Orthonormal axes [D, k] with k = min(D, limit). A table of more than 1,500 columns has at most as many axes as
        its rank, and only 4,096 evenly spaced rows are used.
    """
    if not is_wide(rows.shape[1]):
        return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :limit])
    rows = rows[evenly_spaced(len(rows))]
    if not len(rows):
        return np.empty((rows.shape[1], 0))
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = np.flatnonzero(values > MIN_RELATIVE_VALUE * values[-1])[::-1][:limit]
    return np.asarray(rows.T @ (vectors[:, kept] / np.sqrt(values[kept])))
