"""Entropy, conditional entropy and mutual information of discrete variables, in bits.

All are computed from the frequencies of the rows. With few rows for each combination of values, a conditional entropy
is too small and a mutual information is too large; :func:`mutual_information` of permuted labels shows by how much.

Letters: ``n`` rows, ``T`` variables.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

SORTED_CELLS = 4
"""Number of cells of a table for each row above which sorting the rows is faster than counting all cells."""


def entropy_bits(codes: Codes) -> float:
    """Return H(X) = -sum p log2 p of a variable [n]; 0 without rows."""
    _, counts = np.unique(codes, return_counts=True)
    return _entropy(counts)


def joint_codes(variables: Codes) -> Codes:
    """Return one code [n] for each distinct combination of the variables [n, T]; one code for all rows if T is 0."""
    joint = np.zeros(len(variables), dtype=np.int64)
    for column in variables.T:
        _, values = np.unique(column, return_inverse=True)
        _, joint = np.unique(joint * (values.max(initial=0) + 1) + values, return_inverse=True)
    return joint


def conditional_entropy_bits(codes: Codes, given: Codes) -> float:
    """Return H(X | Y) = H(X, Y) - H(Y) of a variable [n] given variables [n, T]."""
    return entropy_bits(joint_codes(np.column_stack([given, codes]))) - entropy_bits(joint_codes(given))


def mutual_information(first: Codes, second: Codes) -> float:
    """Return I(X; Y) = H(X) + H(Y) - H(X, Y) of two variables [n] with non-negative codes.

    Parameters
    ----------
    first, second
        Codes [n], from 0 to at most about n.

    Returns
    -------
    float
    """
    width = int(second.max(initial=0)) + 1
    joint = first * width + second
    cells = (int(first.max(initial=0)) + 1) * width
    counts = np.bincount(joint) if cells < SORTED_CELLS * len(first) else np.unique(joint, return_counts=True)[1]
    return max(0.0, _entropy(np.bincount(first)) + _entropy(np.bincount(second)) - _entropy(counts))


def normalized_mutual_information(first: Codes, second: Codes) -> float:
    """Return I(X; Y) divided by the mean of H(X) and H(Y), in [0, 1]; 1 if both are constant."""
    mean = (entropy_bits(first) + entropy_bits(second)) / 2
    return mutual_information(first, second) / mean if mean > 0 else 1.0


def _entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of frequencies."""
    positive = counts[counts > 0].astype(np.float64)
    total = positive.sum()
    return float(np.log2(total) - (positive * np.log2(positive)).sum() / total) if len(positive) > 1 else 0.0
