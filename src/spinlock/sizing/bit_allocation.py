"""Allocation of bits to categories by reverse water-filling (:mod:`spinlock.metrics.rate_distortion`).

Category c gets three codebooks of K = 2^(R_c(t) / 3) codes, where R_c(t) is the rate of a Gaussian source with the
covariance of the category at the water level t. The level t is the same for all categories.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spinlock.model.spec import LEVELS

MAX_RELATIVE_SIZE = 2.0
"""Maximum size of a codebook, as a multiple of the size for equal bits in all codebooks."""

BISECTIONS = 60
"""Number of bisections of the water level, enough for double precision."""

MIN_EIGENVALUE = 1e-300
"""Lower limit of the eigenvalues in logarithms. Eigenvalues below the water level do not count."""

Triple = tuple[int, int, int]
"""One integer for each of the three levels."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BitAllocation:
    """Allocation for categories whose covariances have the eigenvalues ``spectra`` [C][D_c]."""

    spectra: tuple[Floats, ...]

    @classmethod
    def of(cls, covariance: Floats, groups: Sequence[Sequence[int]]) -> BitAllocation:
        """Create the allocation from the covariance [D, D] of all columns and the columns of each category."""
        spectra = (np.linalg.eigvalsh(covariance[np.ix_(group, group)]) for group in groups)
        return cls(tuple(np.asarray(spectrum, dtype=np.float64) for spectrum in spectra))

    @cached_property
    def _descending(self) -> Floats:
        """Eigenvalues [C, M] in descending order, zero in the padding."""
        padded = np.zeros((len(self.spectra), max(len(spectrum) for spectrum in self.spectra)))
        for row, spectrum in zip(padded, self.spectra, strict=True):
            row[: len(spectrum)] = np.sort(spectrum)[::-1]
        return padded

    def sizes(self, bits: float, cap: int) -> list[Triple]:
        """Return codebook sizes of at most ``bits`` bits per row, or two codes per codebook if these need more.

        Parameters
        ----------
        bits
            Maximum bits per row of all codebooks together.
        cap
            Maximum size of a codebook.

        Returns
        -------
        list of tuple of int
            Sizes [C][3] between 2 and ``cap``.
        """
        equal_size = 2 ** min(40.0, bits / LEVELS / len(self.spectra))
        max_size = int(np.clip(round(MAX_RELATIVE_SIZE * equal_size), 2, cap))

        spectra = self._descending
        log_sums = np.cumsum(np.log2(np.maximum(spectra, MIN_EIGENVALUE)), axis=1)
        category = np.arange(len(spectra))

        def sizes_at(level: float) -> list[Triple]:
            active = (spectra > level).sum(1)
            rates = 0.5 * (np.where(active > 0, log_sums[category, active - 1], 0.0) - active * math.log2(level))
            exponents = np.minimum(math.log2(cap), rates / LEVELS)
            return [(size, size, size) for size in np.floor(2**exponents).clip(2, max_size).astype(int).tolist()]

        low, high = 1e-9, max(float(spectrum.max()) for spectrum in self.spectra)
        for _ in range(BISECTIONS):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if total_bits(sizes_at(middle)) > bits else (low, middle)
        return sizes_at(high)


def total_bits(num_codes: Sequence[Triple]) -> float:
    """Return the sum of log2 K over all codebooks."""
    return sum(math.log2(size) for sizes in num_codes for size in sizes)
