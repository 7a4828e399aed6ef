"""Gaussian reference R(D): rate and distortion of an ideal code for a Gaussian source with the covariance of the data.

R(t) = sum_i max(0, 1/2 log2(l_i / t)) and D(t) = sum_i min(t, l_i) for covariance eigenvalues l_i and water level t
(reverse water-filling; Cover and Thomas, Elements of Information Theory, chapter 10). Of all sources with a given
covariance, the Gaussian source is the hardest to code. The reference is therefore not an upper limit of the quality:
a tokenizer of clustered rows can exceed it.

Letters: ``n``, ``m`` rows, ``D`` columns, ``l`` eigenvalues, ``t`` water level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_ROWS_PER_COLUMN = 10
"""With fewer rows per column than this, the sample covariance is too noisy and is shrunk."""


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


@dataclass(frozen=True)
class GaussianReference:
    """The Gaussian reference R(D) of a table; see :meth:`from_rows`.

    Attributes
    ----------
    covariance
        Covariance [D, D] of the training rows.
    eigenvalues
        Its eigenvalues [D].
    variances
        Mean squares [D] of the held-out rows along its eigenvectors.
    shrunk
        Whether the covariance was shrunk. It is if there are fewer than :data:`MIN_ROWS_PER_COLUMN` rows per column.
    """

    covariance: Floats
    eigenvalues: Floats
    variances: Floats
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
        rows = train.astype(np.float64)
        shrunk = len(rows) < MIN_ROWS_PER_COLUMN * rows.shape[1]
        covariance = shrunk_covariance(rows) if shrunk else rows.T @ rows / len(rows)
        values, vectors = np.linalg.eigh(covariance)
        return cls(covariance, values, np.square(held_out.astype(np.float64) @ vectors).mean(0), shrunk)

    def training(self, bits: float) -> float:
        """Return the quality of a Gaussian source with the training covariance at ``bits`` per row."""
        return gaussian_quality(self.eigenvalues, bits)

    def held_out(self, bits: float) -> float:
        """Return the quality of the same code on the held-out rows; see :func:`held_out_quality`."""
        return held_out_quality(self.eigenvalues, self.variances, bits)

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


def shrunk_covariance(rows: Floats) -> Floats:
    """Return the covariance (1 - s) S + s m I, whose shrinkage s minimizes the expected squared error.

    S is the sample covariance and m the mean variance (Ledoit and Wolf, 2004). scikit-learn has the same estimator, but
    importing it takes seconds. The tests compare the two.

    Parameters
    ----------
    rows
        Centered rows [n, D].

    Returns
    -------
    numpy.ndarray
        Covariance [D, D].
    """
    count, columns = rows.shape
    sample = rows.T @ rows / count
    mean = np.trace(sample) / columns
    squared_norm = np.square(sample).sum()
    error = (np.square(np.square(rows).sum(1)).sum() / count - squared_norm) / count
    distance = squared_norm - columns * mean**2
    shrinkage = min(error, distance) / distance if distance > 0 else 0.0
    shrunk: Floats = (1 - shrinkage) * sample + shrinkage * mean * np.eye(columns)
    return shrunk


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
