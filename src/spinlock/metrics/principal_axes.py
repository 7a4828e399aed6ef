"""Principal axes of rows, without a matrix of all pairs of columns if the table is wide.

Letters: ``n`` rows, ``D`` columns, ``k`` axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.correlation import evenly_spaced, is_wide

Floats = NDArray[np.float64]

MIN_RELATIVE_VALUE = 1e-12
"""Axes of a wide table whose eigenvalue is below this fraction of the largest one are rounding errors."""


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
        Orthonormal axes [D, k]. k is D if ``limit`` allows it. For a wide table it is at most the rank of the rows, of
        which at most 4,096, evenly spaced, are used.
    """
    if not is_wide(rows.shape[1]):
        return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :limit])
    rows = rows[evenly_spaced(len(rows))]
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = np.flatnonzero(values > MIN_RELATIVE_VALUE * values[-1])[::-1][:limit]
    return np.asarray(rows.T @ (vectors[:, kept] / np.sqrt(values[kept])))
