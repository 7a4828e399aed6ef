"""Orthogonality of categories: the largest |cos(g_c, g_d)| over pairs of centroids g_c = mean_{j in c} s_j x_j.

A category c has the columns x_j, and its centroid is their signed mean.

The sign s_j is that of the loading of column j on the first principal component of its category over the training rows.
With these signs, columns that are anticorrelated do not cancel. On training rows the columns are centered and
scaled, so the cosine of two centroids is a quadratic form in the correlation matrix R: with the signed memberships a
and b of two categories, cos = a'R b / sqrt(a'R a  b'R b).

Letters: ``n`` rows, ``D`` columns, ``C`` categories, ``m`` columns of one category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOOTSTRAP_DRAWS = 200
"""Number of bootstrap samples for an interval. With 200 samples the 5th and 95th percentiles vary little."""


@dataclass(frozen=True)
class BootstrapInterval:
    """A statistic with the 5th and 95th percentiles of its bootstrap distribution."""

    value: float
    low: float
    high: float


def loading_signs(correlation: Floats) -> Floats:
    """Return the signs of the entries of the leading eigenvector of a correlation matrix.

    The eigenvector is oriented so that its entry of largest magnitude is positive. The sign of an entry of zero is 1.

    Parameters
    ----------
    correlation
        Correlations [m, m] of the columns of one category.

    Returns
    -------
    numpy.ndarray
        Signs [m], 1 or -1.

    Raises
    ------
    numpy.linalg.LinAlgError
        LAPACK did not converge.
    """
    size = len(correlation)
    if size == 1:
        return np.ones(1)
    vector = first_eigenvector(correlation)
    vector = vector * (1.0 if vector[np.abs(vector).argmax()] >= 0 else -1.0)
    return np.where(vector < -1e-12, -1.0, 1.0)


def first_eigenvector(matrix: Floats) -> Floats:
    """Return an eigenvector [m] of the largest eigenvalue of a symmetric matrix [m, m].

    Raises
    ------
    numpy.linalg.LinAlgError
        LAPACK did not converge.
    """
    from scipy.linalg.lapack import dsyevr  # its import takes long, and encoding does not need it

    size = len(matrix)
    # This function is called for thousands of small matrices; scipy.linalg.eigh would spend half of the time in checks.
    _, vectors, _, _, info = dsyevr(matrix, range="I", il=size, iu=size)
    if info:
        raise np.linalg.LinAlgError(f"dsyevr did not converge for a {size} x {size} matrix (info {info})")
    vector: Floats = vectors[:, 0]
    return vector


def centroid_weights(correlation: Floats, groups: Sequence[NDArray[np.int64]]) -> Floats:
    """Return the signed memberships of the categories.

    Parameters
    ----------
    correlation
        Correlations [D, D] of the columns on training rows.
    groups
        Columns of each of the C categories.

    Returns
    -------
    numpy.ndarray
        Weights [C, D]: s_j for the columns of the category, 0 elsewhere. The centroid of category c is
        ``rows @ weights[c]`` divided by its number of columns. A cosine does not depend on this factor.
    """
    weights = np.zeros((len(groups), len(correlation)))
    for c, members in enumerate(groups):
        weights[c, members] = loading_signs(correlation[np.ix_(members, members)])
    return weights


def absolute_cosines(products: Floats) -> Floats:
    """Return |cos| of all pairs of centroids.

    Parameters
    ----------
    products
        Inner products [C, C] of the centroids.

    Returns
    -------
    numpy.ndarray
        Absolute cosines [C, C], with zeros on the diagonal; 0 for a centroid of length 0.
    """
    norm = np.sqrt(np.maximum(np.diag(products), 1e-300))
    absolute: Floats = np.abs(products) / np.outer(norm, norm)
    np.fill_diagonal(absolute, 0.0)
    return absolute


def centroid_cosines(correlation: Floats, weights: Floats) -> Floats:
    """Return |cos| of all pairs of centroids on the rows of a correlation matrix.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    weights
        Signed memberships [C, D] of :func:`centroid_weights`.

    Returns
    -------
    numpy.ndarray
        Absolute cosines [C, C], with zeros on the diagonal.
    """
    return absolute_cosines(weights @ correlation @ weights.T)


def max_centroid_cosine(correlation: Floats, groups: Sequence[NDArray[np.int64]]) -> float | None:
    """Return the largest |cos| between the centroids of two categories.

    Parameters
    ----------
    correlation
        Correlations [D, D] of the columns on training rows.
    groups
        Columns of each of the C categories.

    Returns
    -------
    float or None
        A value in [0, 1]; None with fewer than two categories.
    """
    if len(groups) < 2:
        return None
    return float(centroid_cosines(correlation, centroid_weights(correlation, groups)).max())


def held_out_centroid_cosine(rows: Floats, weights: Floats, rng: np.random.Generator) -> BootstrapInterval | None:
    """Return the largest |cos| on held-out rows, with the signs of the training rows, and its bootstrap interval.

    Each cosine has a sampling noise of about 1 / sqrt(n), so the maximum over many pairs is larger than on training
    rows.

    Parameters
    ----------
    rows
        Z-scored held-out rows [n, D].
    weights
        Signed memberships [C, D] of :func:`centroid_weights`, from training rows.
    rng
        Generator that draws the :data:`BOOTSTRAP_DRAWS` bootstrap samples of the rows.

    Returns
    -------
    BootstrapInterval or None
        None with fewer than two categories.
    """
    if len(weights) < 2:
        return None
    centroids = rows @ weights.T
    draws = rng.integers(len(rows), size=(BOOTSTRAP_DRAWS, len(rows)))
    maxima = [float(absolute_cosines(centroids[draw].T @ centroids[draw]).max()) for draw in draws]
    value = float(absolute_cosines(centroids.T @ centroids).max())
    return BootstrapInterval(value, float(np.quantile(maxima, 0.05)), float(np.quantile(maxima, 0.95)))
