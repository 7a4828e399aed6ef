"""Covariance of training rows and second moments of held-out rows, as matrices or, for wide tables, from the rows.

A table of D columns and n < D rows has at most n eigenvalues that are not those of the shrinkage. They are those of the
products X X' / n [n, n] of the rows, so that no matrix [D, D] is needed.

Letters: ``n`` training rows, ``m`` held-out rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.correlation import evenly_spaced, is_wide

Floats = NDArray[np.float64]
Rows = NDArray[np.floating[Any]]

MIN_ROWS_PER_COLUMN = 10
"""With fewer rows per column than this, the sample covariance is too noisy and is shrunk."""

BLOCK = 65_536
"""Number of rows that are converted to float64 at the same time."""

MAX_REFERENCE_ROWS = 2_048
"""Maximum number of rows of a wide table whose products [n, n] are diagonalized."""

MIN_RELATIVE_EIGENVALUE = 1e-10
"""Eigenvalues below this fraction of the largest one are zero except for rounding errors."""


class GaussianSource(Protocol):
    """Covariance of a Gaussian source, and second moments of held-out rows."""

    @property
    def held_out_variance(self) -> float:
        """Sum over columns of the mean squares of the held-out rows."""

    def spectrum(self) -> tuple[Floats, Floats]:
        """Return the eigenvalues [D] of the covariance, and the mean squares [D] of held-out rows along its axes."""

    def of_columns(self, columns: Sequence[int]) -> GaussianSource:
        """Return the source of some columns alone."""


@dataclass(frozen=True)
class Shrinkage:
    """Fraction s of the identity, and mean variance m of the columns."""

    fraction: float
    mean: float

    @classmethod
    def of(cls, rows: Floats, products: Floats) -> Shrinkage:
        """Return the shrinkage of centered rows.

        Parameters
        ----------
        rows
            Centered rows [n, D].
        products
            Sample covariance X'X / n [D, D], or X X' / n [n, n]. Both have the same trace and sum of squares.

        Returns
        -------
        Shrinkage
        """
        count, columns = rows.shape
        mean = float(np.trace(products)) / columns
        squared_norm = np.square(products).sum()
        error = (np.square(np.square(rows).sum(1)).sum() / count - squared_norm) / count
        distance = squared_norm - columns * mean**2
        return cls(float(min(error, distance) / distance) if distance > 0 else 0.0, mean)


def shrunk_covariance(rows: Floats) -> Floats:
    """Return the shrunk covariance of the columns.

    Parameters
    ----------
    rows
        Centered rows [n, D].

    Returns
    -------
    numpy.ndarray
        Covariance [D, D].
    """
    sample = rows.T @ rows / len(rows)
    shrinkage = Shrinkage.of(rows, sample)
    shrunk: Floats = (1 - shrinkage.fraction) * sample + shrinkage.fraction * shrinkage.mean * np.eye(rows.shape[1])
    return shrunk


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class MatrixSource:
    """Covariance [D, D] of the training rows, and mean products [D, D] of held-out rows around the training mean."""

    covariance: Floats
    held_out_covariance: Floats

    @property
    def held_out_variance(self) -> float:
        """Sum over columns of the mean squares of the held-out rows."""
        return float(np.trace(self.held_out_covariance))

    def spectrum(self) -> tuple[Floats, Floats]:
        """Return the eigenvalues [D] of the covariance, and the mean squares [D] of held-out rows along its axes."""
        values, vectors = np.linalg.eigh(self.covariance)
        return values, ((self.held_out_covariance @ vectors) * vectors).sum(0)

    def of_columns(self, columns: Sequence[int]) -> MatrixSource:
        """Return the source of some columns alone."""
        chosen = np.ix_(columns, columns)
        return MatrixSource(self.covariance[chosen], self.held_out_covariance[chosen])


@dataclass(frozen=True, eq=False)
class RowSource:
    """Centered training rows [n, D] and held-out rows [m, D], and the shrinkage of the covariance."""

    train: Floats
    held_out: Floats
    shrinkage: Shrinkage

    @property
    def held_out_variance(self) -> float:
        """Sum over columns of the mean squares of the held-out rows."""
        return float(np.square(self.held_out).sum()) / len(self.held_out)

    def spectrum(self) -> tuple[Floats, Floats]:
        """Return the eigenvalues [D] of the covariance, and the mean squares [D] of held-out rows along its axes.

        All axes outside the space of the training rows have the same eigenvalue. Each of them gets the mean of the
        remaining variance.
        """
        count, columns = self.train.shape
        values, vectors = np.linalg.eigh(self.train @ self.train.T / count)
        found = values > MIN_RELATIVE_EIGENVALUE * max(float(values[-1]), 0.0)
        values, vectors = values[found][-columns:], vectors[:, found][:, -columns:]
        coordinates = (self.held_out @ self.train.T) @ vectors / np.sqrt(count * values)
        variances = np.square(coordinates).mean(0)
        others = columns - len(values)
        remaining = max(0.0, self.held_out_variance - float(variances.sum())) / max(1, others)
        fraction, floor = self.shrinkage.fraction, self.shrinkage.fraction * self.shrinkage.mean
        return (
            np.concatenate([np.full(others, floor), (1 - fraction) * values + floor]),
            np.concatenate([np.full(others, remaining), variances]),
        )

    def of_columns(self, columns: Sequence[int]) -> RowSource:
        """Return the source of some columns alone, with the shrinkage of the whole table."""
        chosen = list(columns)
        return RowSource(self.train[:, chosen], self.held_out[:, chosen], self.shrinkage)


def is_shrunk(rows: int, columns: int) -> bool:
    """Return whether the covariance of so many rows is shrunk; that of a wide table always is."""
    return is_wide(columns) or rows < MIN_ROWS_PER_COLUMN * columns


def gaussian_source(train: Rows, held_out: Rows) -> GaussianSource:
    """Return the source of centered training rows [n, D] and held-out rows [m, D].

    The covariance is shrunk if the table is wide or has fewer than :data:`MIN_ROWS_PER_COLUMN` rows per column. For a
    wide table no matrix [D, D] is computed, and at most :data:`MAX_REFERENCE_ROWS` training rows are used.
    """
    if is_wide(train.shape[1]):
        rows = train[evenly_spaced(len(train), MAX_REFERENCE_ROWS)].astype(np.float64)
        return RowSource(rows, held_out.astype(np.float64), Shrinkage.of(rows, rows @ rows.T / len(rows)))
    shrunk = is_shrunk(*train.shape)
    covariance = shrunk_covariance(train.astype(np.float64)) if shrunk else _mean_products(train)
    return MatrixSource(covariance, _mean_products(held_out))


def _mean_products(rows: Rows) -> Floats:
    """Return X'X / n [D, D] of rows [n, D] in float64, without a copy of all rows in float64."""
    products = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK].astype(np.float64)
        products += block.T @ block
    return products / len(rows)
