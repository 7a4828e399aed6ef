"""Allocation of bits to categories: K = 2^(R_c(t) / 3), R_c(t) the Gaussian rate of category c at a common level t.

Reverse water-filling (:mod:`spinlock.metrics.rate_distortion`) over categories: each category gets the bits that bring
its covariance down to the same water level, in three codebooks of equal size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.rate_distortion import at_level
from spinlock.model.spec import LEVELS

MAX_RELATIVE_SIZE = 2.0
"""Maximum size of a codebook, in units of the size that all codebooks would have with equal bits."""

BISECTIONS = 60
"""Bisections of the water level, which determine it to the precision of a double."""

Triple = tuple[int, int, int]
"""A size for each level."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BitAllocation:
    """Codebook sizes of categories whose covariances have the eigenvalues ``spectra`` [C][D_c]."""

    spectra: tuple[Floats, ...]

    @classmethod
    def of(cls, covariance: Floats, groups: Sequence[Sequence[int]]) -> BitAllocation:
        """Return the allocation for the covariance [D, D] of all columns and the columns of each category."""
        spectra = (np.linalg.eigvalsh(covariance[np.ix_(group, group)]) for group in groups)
        return cls(tuple(np.asarray(spectrum, dtype=np.float64) for spectrum in spectra))

    def sizes(self, bits: float, cap: int) -> list[Triple]:
        """Return codebook sizes that cost at most ``bits`` per row, unless two codes everywhere cost more.

        Parameters
        ----------
        bits
            Bits per row of all codebooks together.
        cap
            Maximum size of a codebook.

        Returns
        -------
        list of tuple of int
            Sizes [C][3] between 2 and ``cap``.
        """
        equal_size = 2 ** min(40.0, bits / LEVELS / len(self.spectra))
        max_size = int(np.clip(round(MAX_RELATIVE_SIZE * equal_size), 2, cap))

        def sizes_at(level: float) -> list[Triple]:
            rates = (min(LEVELS * math.log2(cap), at_level(spectrum, level).bits) for spectrum in self.spectra)
            codes = (int(np.clip(math.floor(2 ** (rate / LEVELS)), 2, max_size)) for rate in rates)
            return [(size, size, size) for size in codes]

        low, high = 1e-9, max(float(spectrum.max()) for spectrum in self.spectra)
        for _ in range(BISECTIONS):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if total_bits(sizes_at(middle)) > bits else (low, middle)
        return sizes_at(high)


def total_bits(num_codes: Sequence[Triple]) -> float:
    """Return the sum of log2 K over all codebooks."""
    return sum(math.log2(size) for sizes in num_codes for size in sizes)
