"""Code length of tokens whose codebooks are coded independently, in bits.

Letters: ``n``, ``m`` rows, ``T`` codebooks (token columns), ``K`` codes of a codebook.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

PSEUDOCOUNT = 0.5
"""Count that is added to each code, so that a code without a training row has a finite length (Krichevsky-Trofimov)."""


def log_frequencies(tokens: Tokens, sizes: Tokens) -> list[NDArray[np.float64]]:
    """Return log2 p_k = log2 (n_k + 1/2) - log2 (n + K/2) of the codes of each codebook.

    Parameters
    ----------
    tokens
        Tokens [n, T].
    sizes
        Number of codes K of each codebook, [T].

    Returns
    -------
    list of numpy.ndarray
        For each codebook the logarithms [K].
    """
    logarithms = []
    for column, size in zip(tokens.T, sizes.tolist(), strict=True):
        counts = np.bincount(column, minlength=size) + PSEUDOCOUNT
        logarithms.append(np.log2(counts / counts.sum()))
    return logarithms


def independent_code_length(fitted: Tokens, scored: Tokens, sizes: Tokens) -> NDArray[np.float64]:
    """Return the mean code length of each codebook if the frequencies of its codes are those of other rows.

    Parameters
    ----------
    fitted
        Tokens [n, T] whose frequencies define the code.
    scored
        Tokens [m, T] that are coded.
    sizes
        Number of codes K of each codebook, [T].

    Returns
    -------
    numpy.ndarray
        Bits [T] for each codebook; their sum is the bits per row.
    """
    logarithms = log_frequencies(fitted, sizes)
    return np.array([-values[column].mean() for values, column in zip(logarithms, scored.T, strict=True)])
