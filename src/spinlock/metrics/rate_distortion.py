"""Gaussian reference R(D): rate and distortion of an ideal code for a Gaussian source with the covariance of the data.

R(t) = sum_i max(0, 1/2 log2(l_i / t)) and D(t) = sum_i min(t, l_i) for covariance eigenvalues l_i and water level t
(reverse water-filling; Cover and Thomas, Elements of Information Theory, chapter 10). Of all sources with a given
covariance, the Gaussian source is the hardest to code. The reference is therefore not an upper limit of the quality:
a tokenizer of clustered rows can exceed it.

:mod:`~spinlock.metrics.gaussian_reference` estimates the reference of a table.

Letters: ``D`` columns, ``l`` eigenvalues, ``t`` water level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WaterFilling:
    """Water level t, rate in bits and distortion of a Gaussian source. Level and distortion have units of variance."""

    level: float
    bits: float
    distortion: float


def at_level(eigenvalues: Floats, level: float) -> WaterFilling:
    """Return rate and distortion at a given water level.

    Parameters
    ----------
    eigenvalues
        Variances [D]. Negative values, which result from rounding, are set to zero.
    level
        Water level t > 0.

    Returns
    -------
    WaterFilling
    """
    spectrum = np.maximum(eigenvalues, 0.0)
    active = spectrum > level
    bits = 0.5 * float(np.log2(spectrum[active] / level).sum())
    return WaterFilling(level, bits, float(np.minimum(spectrum, level).sum()))


def water_filling(eigenvalues: Floats, bits: float) -> WaterFilling:
    """Return water level and distortion at a given rate.

    With m components above the level, t = (l_1 ... l_m)^(1/m) 2^(-2 R / m) for eigenvalues in descending order, and m
    is the largest number for which t <= l_m.

    Parameters
    ----------
    eigenvalues
        Variances [D]. Negative values are set to zero.
    bits
        Rate R >= 0 in bits per row.

    Returns
    -------
    WaterFilling
    """
    spectrum = np.sort(np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0))[::-1]
    positive = spectrum[spectrum > 0]
    if positive.size == 0:
        return WaterFilling(0.0, 0.0, 0.0)
    count = np.arange(1, positive.size + 1)
    levels = np.exp2((np.cumsum(np.log2(positive)) - 2.0 * bits) / count)
    valid = np.flatnonzero(levels <= positive)
    level = float(levels[valid[-1] if valid.size else 0])  # at 0 bits rounding may put t above l_1
    return WaterFilling(level, bits, float(np.minimum(spectrum, level).sum()))


def gaussian_quality(eigenvalues: Floats, bits: float) -> float:
    """Return the largest fraction of variance explained of a Gaussian source, 1 - D(R) / sum l.

    Parameters
    ----------
    eigenvalues
        Variances [D]. Negative values are set to zero.
    bits
        Rate R >= 0 in bits per row.

    Returns
    -------
    float
        A value in [0, 1]; 1 for a source without variance.
    """
    total = float(np.maximum(eigenvalues, 0.0).sum())
    return 1.0 - water_filling(eigenvalues, bits).distortion / total if total > 0 else 1.0


def gaussian_bits(eigenvalues: Floats, quality: float) -> float:
    """Return the rate R at which the distortion of a Gaussian source is D = (1 - q) sum l.

    Parameters
    ----------
    eigenvalues
        Variances [D]. Negative values are set to zero.
    quality
        Fraction of variance explained q < 1.

    Returns
    -------
    float
        Rate in bits per row; 0 for a source without variance.
    """
    spectrum = np.sort(np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0))
    distortion = (1.0 - quality) * float(spectrum.sum())
    smaller = np.concatenate([[0.0], np.cumsum(spectrum)[:-1]])
    levels = (distortion - smaller) / np.arange(len(spectrum), 0, -1)  # t if components i, i + 1, ... are above it
    valid = np.flatnonzero(levels <= spectrum)
    return at_level(spectrum, float(levels[valid[0]])).bits if valid.size and distortion > 0 else 0.0
