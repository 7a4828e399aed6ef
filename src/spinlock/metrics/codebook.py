"""Codebook use: fraction of codes used, perplexity, and what evenly used codes would show in the same number of rows.

Letters: ``n`` rows, ``T`` codebooks (token columns), ``K`` codes of a codebook.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CodebookUse:
    """Use of T codebooks by n rows.

    Attributes
    ----------
    utilization
        Mean over codebooks of (distinct codes used) / K.
    minimum
        Smallest of these fractions.
    perplexity_ratio
        Mean over codebooks of 2^H / K, with H the empirical entropy in bits.
    entropy_bits
        Sum over codebooks of H, in bits per row.
    expected
        Mean of 1 - (1 - 1/K)^n, the expected utilization of evenly used codes.
    limit
        Mean of min(1, n / K), the largest possible utilization.
    per_codebook
        Fraction of codes used, [T].
    """

    utilization: float
    minimum: float
    perplexity_ratio: float
    entropy_bits: float
    expected: float
    limit: float
    per_codebook: tuple[float, ...]


def codebook_use(tokens: NDArray[np.int64], sizes: NDArray[np.int64]) -> CodebookUse:
    """Measure how many codes are used, and how evenly.

    Parameters
    ----------
    tokens
        Code indices [n, T], column t in 0 ... ``sizes[t]`` - 1.
    sizes
        Number of codes K of each codebook, [T].

    Returns
    -------
    CodebookUse
    """
    rows = len(tokens)
    used, ratios, entropy = [], [], 0.0
    for column, size in zip(tokens.T, sizes.tolist(), strict=True):
        frequency = np.bincount(column, minlength=size) / rows
        positive = frequency[frequency > 0]
        bits = float(-(positive * np.log2(positive)).sum())
        used.append(len(positive) / size)
        ratios.append(2.0**bits / size)
        entropy += bits
    return CodebookUse(
        utilization=float(np.mean(used)),
        minimum=float(np.min(used)),
        perplexity_ratio=float(np.mean(ratios)),
        entropy_bits=entropy,
        expected=float(np.mean(expected_use(sizes, rows))),
        limit=float(np.mean(np.minimum(1.0, rows / sizes))),
        per_codebook=tuple(used),
    )


def expected_use(sizes: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """Return 1 - (1 - 1/K)^n, the expected fraction of K evenly used codes that occur in n rows.

    Parameters
    ----------
    sizes
        Number of codes K of each codebook, [T].
    rows
        Number of rows n.

    Returns
    -------
    numpy.ndarray
        Expected fractions [T].
    """
    return np.asarray(1.0 - (1.0 - 1.0 / sizes) ** rows)
