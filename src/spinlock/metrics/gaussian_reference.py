"""The Gaussian reference R(D) of a table: the quality that an ideal code for a Gaussian source has on held-out rows.

Letters: ``n`` training rows, ``m`` held-out rows, ``D`` columns, ``l`` eigenvalues, ``t`` water level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.rate_distortion import Floats, gaussian_bits, gaussian_quality, water_filling

MIN_ROWS_PER_COLUMN = 10
"""With fewer rows per column than this, the sample covariance is too noisy and is shrunk."""

MAX_BITS = 2.0**20
"""Maximum rate of a search for the bits of a quality, in bits per row."""

BISECTIONS = 40
"""Number of bisections of the bits, so that their error is far below one bit."""

BLOCK = 65_536
"""Number of rows that are converted to float64 at the same time."""


@dataclass(frozen=True)
class GaussianReference:
    """The Gaussian reference R(D) of a table; see :meth:`from_rows`.

    The reference at R bits per row is the fraction of the variance of held-out rows that the ideal code of a Gaussian
    source with the covariance of the training rows explains; see :meth:`held_out`. Codebook sizes, which must not
    depend on held-out rows, use :meth:`training` and its inverse.

    Attributes
    ----------
    covariance
        Covariance [D, D] of the training rows.
    held_out_covariance
        Mean products [D, D] of the columns of the held-out rows, around the training mean.
    shrunk
        Whether the covariance was shrunk. It is if there are fewer than :data:`MIN_ROWS_PER_COLUMN` rows per column.
    """

    covariance: Floats
    held_out_covariance: Floats
    shrunk: bool

    @classmethod
    def from_rows(cls, train: NDArray[np.floating[Any]], held_out: NDArray[np.floating[Any]]) -> GaussianReference:
        """Estimate the reference.

        Parameters
        ----------
        train
            Centered training rows [n, D].
        held_out
            Held-out rows [m, D] in the same units.

        Returns
        -------
        GaussianReference
        """
        shrunk = len(train) < MIN_ROWS_PER_COLUMN * train.shape[1]
        covariance = shrunk_covariance(train.astype(np.float64)) if shrunk else _mean_products(train)
        return cls(covariance, _mean_products(held_out), shrunk)

    def of_columns(self, columns: Sequence[int]) -> GaussianReference:
        """Return the reference of some columns alone."""
        chosen = np.ix_(columns, columns)
        return GaussianReference(self.covariance[chosen], self.held_out_covariance[chosen], self.shrunk)

    @cached_property
    def _spectrum(self) -> tuple[Floats, Floats]:
        """Eigenvalues [D] of the covariance, and mean squares [D] of the held-out rows along its eigenvectors."""
        values, vectors = np.linalg.eigh(self.covariance)
        return values, ((self.held_out_covariance @ vectors) * vectors).sum(0)

    @property
    def eigenvalues(self) -> Floats:
        """Eigenvalues [D] of the covariance."""
        return self._spectrum[0]

    @property
    def variances(self) -> Floats:
        """Mean squares [D] of the held-out rows along the eigenvectors of the covariance."""
        return self._spectrum[1]

    def training(self, bits: float) -> float:
        """Return the quality of a Gaussian source with the training covariance at ``bits`` per row."""
        return gaussian_quality(self.eigenvalues, bits)

    def training_bits(self, quality: float) -> float:
        """Return the bits per row at which :meth:`training` is ``quality``, a value below 1."""
        return gaussian_bits(self.eigenvalues, quality)

    def held_out(self, bits: float) -> float:
        """Return the quality of the same code on the held-out rows; see :func:`held_out_quality`."""
        return held_out_quality(self.eigenvalues, self.variances, bits)

    def held_out_bits(self, quality: float) -> float:
        """Return the bits per row at which :meth:`held_out` is ``quality``; infinity if it is not reached."""
        low, high = 0.0, 1.0
        while self.held_out(high) < quality:
            low, high = high, 2 * high
            if high > MAX_BITS:
                return math.inf
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.held_out(middle) < quality else (low, middle)
        return high

    def gap_db(self, quality: float, bits: float) -> float | None:
        """Return the distortion in decibels relative to the held-out reference, 10 log10((1 - q) / (1 - q_ref)).

        Parameters
        ----------
        quality
            Fraction of variance explained q on held-out rows.
        bits
            Rate in bits per row.

        Returns
        -------
        float or None
            Negative if the distortion is smaller than that of the reference; None if one of them is zero.
        """
        reference = self.held_out(bits)
        return 10 * math.log10((1 - quality) / (1 - reference)) if quality < 1 and reference < 1 else None


def _mean_products(rows: NDArray[np.floating[Any]]) -> Floats:
    """Return X'X / n [D, D] of rows [n, D] in float64, without a copy of all rows in float64."""
    products = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK].astype(np.float64)
        products += block.T @ block
    return products / len(rows)


def shrunk_covariance(rows: Floats) -> Floats:
    """Return the covariance (1 - s) S + s m I, whose shrinkage s minimizes the expected squared error.

    S is the sample covariance and m the mean variance (Ledoit and Wolf, 2004). scikit-learn has the same estimator, but
    importing it takes seconds. The tests compare the two.

    Parameters
    ----------
    rows
        Centered rows [n, D].

    Returns
    -------
    numpy.ndarray
        Covariance [D, D].
    """
    count, columns = rows.shape
    sample = rows.T @ rows / count
    mean = np.trace(sample) / columns
    squared_norm = np.square(sample).sum()
    error = (np.square(np.square(rows).sum(1)).sum() / count - squared_norm) / count
    distance = squared_norm - columns * mean**2
    shrinkage = min(error, distance) / distance if distance > 0 else 0.0
    shrunk: Floats = (1 - shrinkage) * sample + shrinkage * mean * np.eye(columns)
    return shrunk


def held_out_quality(eigenvalues: Floats, held_out_variances: Floats, bits: float) -> float:
    """Return the quality on held-out rows of the ideal code for the training covariance.

    Eigenvectors and water level t are those of the training rows. A component with l_i > t loses the fraction t / l_i
    of its held-out variance; any other component loses all of it.

    Parameters
    ----------
    eigenvalues
        Eigenvalues [D] of the training covariance.
    held_out_variances
        Mean squares [D] of held-out rows along the eigenvectors.
    bits
        Rate in bits per row.

    Returns
    -------
    float
        Fraction of variance explained; 1 for held-out rows without variance.
    """
    level = water_filling(eigenvalues, bits).level
    active = eigenvalues > level
    lost = np.where(active, level / np.where(active, eigenvalues, 1.0), 1.0)
    total = float(held_out_variances.sum())
    return 1.0 - float((lost * held_out_variances).sum()) / total if total > 0 else 1.0
