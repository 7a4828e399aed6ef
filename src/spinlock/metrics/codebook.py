"""Codebook use: distinct codes used / K, perplexity exp(H) / K, and what even use would show in so few rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CodebookUse:
    """Use of T codebooks by n rows.

    ``utilization`` mean of distinct / K; ``minimum`` the smallest; ``perplexity_ratio`` mean of 2^H / K;
    ``entropy_bits`` sum of empirical entropies; ``expected`` the mean of 1 - (1 - 1/K)^n of evenly used codes;
    ``limit`` the mean of min(1, n / K). ``per_codebook`` [T].
    """

    utilization: float
    minimum: float
    perplexity_ratio: float
    entropy_bits: float
    expected: float
    limit: float
    per_codebook: tuple[float, ...]


def codebook_use(tokens: NDArray[np.int64], sizes: NDArray[np.int64]) -> CodebookUse:
    """Use of codebooks with ``sizes`` [T] by tokens [n, T]."""
    rows = len(tokens)
    used, ratios, entropy = [], [], 0.0
    for column, size in zip(tokens.T, sizes.tolist(), strict=True):
        share = np.bincount(column, minlength=size) / rows
        present = share[share > 0]
        bits = float(-(present * np.log2(present)).sum())
        used.append(len(present) / size)
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
    """1 - (1 - 1/K)^n: the share of K evenly used codes that n rows are expected to show."""
    return np.asarray(1.0 - (1.0 - 1.0 / sizes) ** rows)
