"""Codebook use: utilization (fraction of the codes that occur), perplexity and entropy.

The utilization is compared with the value that is expected for the same number of rows if all codes are equally likely.

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
        Mean over codebooks of 1 - (1 - 1/K)^n, the expected utilization if all codes are equally likely.
    limit
        Mean over codebooks of min(1, n / K), the largest possible utilization.
    per_codebook
        Fraction of codes used in each codebook, [T].
    """

    utilization: float
    minimum: float
    perplexity_ratio: float
    entropy_bits: float
    expected: float
    limit: float
    per_codebook: tuple[float, ...]


def codebook_use(tokens: NDArray[np.int64], sizes: NDArray[np.int64]) -> CodebookUse:
    """Compute the utilization, perplexity and entropy of codebooks.

    Parameters
    ----------
    tokens
        Code indices [n, T]; column t has values from 0 to ``sizes[t]`` - 1.
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
    """Return 1 - (1 - 1/K)^n, the expected fraction of K equally likely codes that occur in n rows.

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
