"""Principal axes of the columns of categories.

The eigenproblem of a covariance [M, M] takes a time proportional to M^3. For a category of many columns the axes follow
from the products of the rows [n, n] if there are few rows, and from subspace iteration (Halko, Martinsson and Tropp,
2011) otherwise. Both are linear in M.

Letters: ``n`` rows, ``C`` categories, ``M`` columns of the widest category, ``E`` number of axes.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_COVARIANCE_COLUMNS = 512
"""Maximum number of columns of a category whose covariance matrix is diagonalized."""

MAX_PRODUCT_ROWS = 512
"""Maximum number of rows whose products are diagonalized for a category of more columns."""

OVERSAMPLING, ITERATIONS = 16, 4
"""Additional axes of the subspace iteration, and its number of iterations."""

MIN_VARIANCE = 1e-9
"""Axes of a smaller variance are zero."""


def principal_axes(columns: Tensor, width: int) -> Tensor:
    """Return the leading eigenvectors of each category's covariance.

    The entry of largest magnitude of an axis is positive, so that the signs do not depend on the eigensolver.

    Parameters
    ----------
    columns
        Columns [C, n, M], zero in the padding.
    width
        Number of axes E.

    Returns
    -------
    Tensor
        Axes [C, M, E] in descending order of variance, zero beyond the columns of a category.
    """
    _, rows, num_columns = columns.shape
    if num_columns <= MAX_COVARIANCE_COLUMNS:
        points = columns.double()
        values, vectors = torch.linalg.eigh(torch.bmm(points.transpose(1, 2), points) / rows)
        return _oriented(values, vectors, width)
    solve = _from_products if rows <= MAX_PRODUCT_ROWS else _from_subspace
    return torch.cat([_oriented(*solve(points, width), width) for points in columns])


def _from_products(points: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return the variances [1, k] and axes [1, M, k] of points [n, M] from the products of the rows."""
    exact = points.double()
    values, vectors = torch.linalg.eigh(exact @ exact.t() / len(points))
    values, vectors = values[-width:], vectors[:, -width:]
    scale = torch.where(values > MIN_VARIANCE, 1 / (values * len(points)).clamp(min=1e-300).sqrt(), 0.0)
    return values[None], (exact.t() @ (vectors * scale))[None]


def _from_subspace(points: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return the variances [1, k] and axes [1, M, k] of points [n, M] by subspace iteration from random directions."""
    generator = torch.Generator().manual_seed(0)
    size = min(width + OVERSAMPLING, *points.shape)
    basis = torch.randn(len(points), size, generator=generator).to(points)
    for _ in range(ITERATIONS):
        basis = points @ (points.t() @ torch.linalg.qr(basis)[0])
    axes = torch.linalg.qr(points.t() @ torch.linalg.qr(basis)[0])[0]
    coordinates = (points @ axes).double()
    values, vectors = torch.linalg.eigh(coordinates.t() @ coordinates / len(points))
    return values[None], (axes.double() @ vectors)[None]


def _oriented(values: Tensor, vectors: Tensor, width: int) -> Tensor:
    """Return the axes [C, M, E] of ascending variances [C, k] and vectors [C, M, k], with positive largest entries."""
    vectors = vectors.flip(-1) * (values.flip(-1) > MIN_VARIANCE)[:, None]
    peak = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = vectors * torch.where(peak < 0, -1.0, 1.0)
    axes = vectors.new_zeros(*vectors.shape[:2], width)
    kept = min(vectors.shape[-1], width)
    axes[..., :kept] = vectors[..., :kept]
    return axes.float()
