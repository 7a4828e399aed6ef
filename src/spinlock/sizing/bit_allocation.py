"""Bits shared out among categories: K = 2^(R_c(t) / 3), R_c(t) the Gaussian rate of category c at a common level t.

Reverse water-filling (:mod:`spinlock.metrics.rate_distortion`) over categories: each gets the bits that bring its
covariance down to the same water level, in three codebooks of equal size.
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
"""A codebook has at most this many times the codes that each would have at equal shares."""

BISECTIONS = 60

Triple = tuple[int, int, int]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BitAllocation:
    """Codebook sizes of categories whose covariances have these spectra [C][D_c]."""

    spectra: tuple[Floats, ...]

    @classmethod
    def of(cls, covariance: Floats, groups: Sequence[Sequence[int]]) -> BitAllocation:
        """From the covariance [D, D] of all columns and the columns of each category."""
        blocks = (np.linalg.eigvalsh(covariance[np.ix_(group, group)]) for group in groups)
        return cls(tuple(np.asarray(block, dtype=np.float64) for block in blocks))

    def sizes(self, bits: float, cap: int) -> list[Triple]:
        """Sizes [C][3] of at least 2 and at most ``cap`` codes that cost at most ``bits`` per row, if 2 codes do."""
        equal = 2 ** min(40.0, bits / LEVELS / len(self.spectra))
        largest = int(np.clip(round(MAX_RELATIVE_SIZE * equal), 2, cap))

        def at(level: float) -> list[Triple]:
            rates = (min(LEVELS * math.log2(cap), at_level(spectrum, level).bits) for spectrum in self.spectra)
            codes = (int(np.clip(math.floor(2 ** (rate / LEVELS)), 2, largest)) for rate in rates)
            return [(size, size, size) for size in codes]

        low, high = 1e-9, max(float(spectrum.max()) for spectrum in self.spectra)
        for _ in range(BISECTIONS):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if total_bits(at(middle)) > bits else (low, middle)
        return at(high)


def total_bits(num_codes: Sequence[Triple]) -> float:
    """Sum of log2 K over all codebooks."""
    return sum(math.log2(size) for sizes in num_codes for size in sizes)
