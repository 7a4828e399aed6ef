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

from spinlock.metrics.gaussian_source import GaussianSource, gaussian_source, is_shrunk
from spinlock.metrics.rate_distortion import Floats, gaussian_bits, gaussian_quality, water_filling

MAX_BITS = 2.0**20
"""Maximum rate of a search for the bits of a quality, in bits per row."""

BISECTIONS = 40
"""Number of bisections of the bits, so that their error is far below one bit."""


@dataclass(frozen=True)
class GaussianReference:
    """The Gaussian reference R(D) of a table; see :meth:`from_rows`.

    The reference at R bits per row is the fraction of the variance of held-out rows that the ideal code of a Gaussian
    source with the covariance of the training rows explains; see :meth:`held_out`. Codebook sizes, which must not
    depend on held-out rows, use :meth:`training` and its inverse.

    Attributes
    ----------
    source
        Covariance of the training rows, and second moments of the held-out rows around the training mean.
    shrunk
        Whether the covariance was shrunk. It is shrunk if the table is wide or has fewer than ten rows per column.
    """

    source: GaussianSource
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
        return cls(gaussian_source(train, held_out), is_shrunk(*train.shape))

    def of_columns(self, columns: Sequence[int]) -> GaussianReference:
        """Return the reference of some columns alone."""
        return GaussianReference(self.source.of_columns(columns), self.shrunk)

    @cached_property
    def _spectrum(self) -> tuple[Floats, Floats]:
        """Eigenvalues [D] of the covariance, and mean squares [D] of the held-out rows along its eigenvectors."""
        return self.source.spectrum()

    @property
    def held_out_variance(self) -> float:
        """Sum over columns of the mean squares of the held-out rows."""
        return self.source.held_out_variance

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
