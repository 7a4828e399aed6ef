"""Centroids of categories that are computed from rows, without a correlation matrix of all columns.

The sign of a column is that of its loading on the first principal component of its category. For a category of more
columns than rows the component follows from the products of the rows: with X_c X_c' u = l u, the loadings are
proportional to X_c' u.

Letters: ``n`` rows, ``D`` columns, ``C`` categories, ``m`` columns of one category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.centroids import absolute_cosines, first_eigenvector, loading_signs, max_centroid_cosine
from spinlock.metrics.correlation import correlation_matrix, is_wide, unit_columns

Floats = NDArray[np.float64]

CLIPPED_PERCENTILE = 0.5
"""Percentile at both ends of a column to which :func:`max_clipped_cosine` clips."""

CLIPPED = f"columns clipped at their {CLIPPED_PERCENTILE:g}% and {100 - CLIPPED_PERCENTILE:g}% quantiles"
"""The second clipping in words."""

BLOCK_COLUMNS = 32
"""Number of columns that are clipped at once, to limit the memory."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class RowCentroids:
    """Signed memberships and signed sums of the categories of a table.

    Attributes
    ----------
    weights
        Signed memberships [C, D]: s_j for the columns of the category, 0 elsewhere.
    sums
        Signed sums [n, C] of the unit columns of each category.
    """

    weights: Floats
    sums: Floats

    @classmethod
    def of(cls, columns: Floats, groups: Sequence[NDArray[np.int64]]) -> RowCentroids:
        """Return the centroids of categories.

        Parameters
        ----------
        columns
            Centered columns of length 1, [n, D], of :func:`~spinlock.metrics.correlation.unit_columns`.
        groups
            Columns of each of the C categories.

        Returns
        -------
        RowCentroids
        """
        weights, sums = np.zeros((len(groups), columns.shape[1])), np.empty((len(columns), len(groups)))
        for c, members in enumerate(groups):
            own = columns[:, members]
            signs = row_loading_signs(own)
            weights[c, members], sums[:, c] = signs, own @ signs
        return cls(weights, sums)


def row_loading_signs(columns: Floats) -> Floats:
    """Return the signs of :func:`~spinlock.metrics.centroids.loading_signs` for unit columns [n, m].

    Raises
    ------
    numpy.linalg.LinAlgError
        LAPACK did not converge.
    """
    if columns.shape[1] <= len(columns):
        return loading_signs(columns.T @ columns)
    loadings = columns.T @ first_eigenvector(columns @ columns.T)
    peak = float(loadings[np.abs(loadings).argmax()])
    return np.where(loadings * np.sign(peak) < -1e-12 * abs(peak), -1.0, 1.0)


def signed_sum(columns: Floats) -> Floats:
    """Return the signed sum [n] of the unit columns [n, m] of one category; its direction is the centroid."""
    return np.asarray(columns @ row_loading_signs(columns))


def max_clipped_cosine(
    rows: NDArray[np.floating], groups: Sequence[NDArray[np.int64]], percentile: float = CLIPPED_PERCENTILE
) -> float | None:
    """Return the largest |cos| between the centroids of two categories after the rows are clipped further.

    A few extreme rows determine the correlations of heavy-tailed columns. If this value differs much from that of the
    rows themselves, the largest cosine holds for one clipping only.

    Parameters
    ----------
    rows
        Training rows [n, D].
    groups
        Columns of each of the C categories.
    percentile
        Values below this percentile of their column, and above 100 minus this percentile, are clipped.

    Returns
    -------
    float or None
        A value in [0, 1]; None with fewer than two categories.
    """
    clipped = np.empty(rows.shape)
    for start in range(0, rows.shape[1], BLOCK_COLUMNS):
        columns = slice(start, start + BLOCK_COLUMNS)
        block = rows[:, columns].astype(np.float64)
        clipped[:, columns] = block.clip(*np.percentile(block, [percentile, 100 - percentile], axis=0))
    if not is_wide(rows.shape[1]):
        return max_centroid_cosine(correlation_matrix(clipped), groups)
    sums = RowCentroids.of(unit_columns(clipped), groups).sums
    return float(absolute_cosines(sums.T @ sums).max()) if len(groups) > 1 else None
