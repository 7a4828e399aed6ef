"""The rate-distortion bound of a Gaussian source: what no code can beat on such data at a given number of bits.

R(t) = sum_i max(0, 1/2 log2(l_i / t)), D(t) = sum_i min(t, l_i) for covariance eigenvalues l_i and water level t
(reverse water-filling; Cover and Thomas, Elements of Information Theory, chapter 10). A yardstick and not a wall: a
source with clusters can be coded better than a Gaussian one of the same covariance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WaterFilling:
    """Water level t, rate in bits and distortion of a Gaussian source, in the units of its variances."""

    level: float
    bits: float
    distortion: float


def at_level(eigenvalues: Floats, level: float) -> WaterFilling:
    """Rate and distortion at water level t > 0 for variances [D] (zeros and rounding below zero count as zero)."""
    spectrum = np.maximum(eigenvalues, 0.0)
    active = spectrum > level
    bits = 0.5 * float(np.log2(spectrum[active] / level).sum())
    return WaterFilling(level, bits, float(np.minimum(spectrum, level).sum()))


def water_filling(eigenvalues: Floats, bits: float) -> WaterFilling:
    """The water level at which a Gaussian source of these variances [D] costs ``bits`` >= 0 bits.

    With m components above the level, t = (l_1 ... l_m)^(1/m) 2^(-2 R / m), and the right m is the largest for which
    t stays below l_m.
    """
    spectrum = np.sort(np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0))[::-1]
    positive = spectrum[spectrum > 0]
    if positive.size == 0:
        return WaterFilling(0.0, 0.0, 0.0)
    count = np.arange(1, positive.size + 1)
    levels = np.exp2((np.cumsum(np.log2(positive)) - 2.0 * bits) / count)
    above = np.flatnonzero(levels <= positive)
    level = float(levels[above[-1] if above.size else 0])  # none only where rounding lifts t over l_1 at no bits
    return WaterFilling(level, bits, float(np.minimum(spectrum, level).sum()))


def gaussian_quality(eigenvalues: Floats, bits: float) -> float:
    """Best fraction of variance explained of a Gaussian source at ``bits`` per row: 1 - D(R) / sum l."""
    total = float(np.maximum(eigenvalues, 0.0).sum())
    return 1.0 - water_filling(eigenvalues, bits).distortion / total if total > 0 else 1.0


def gaussian_bits(eigenvalues: Floats, quality: float) -> float:
    """The rate at which a Gaussian source keeps a fraction ``quality`` < 1 of its variance: R at D = (1 - q) sum l."""
    spectrum = np.sort(np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0))
    allowed = (1.0 - quality) * float(spectrum.sum())
    below = np.concatenate([[0.0], np.cumsum(spectrum)[:-1]])
    levels = (allowed - below) / np.arange(len(spectrum), 0, -1)  # the level if all from here on are above it
    reached = np.flatnonzero(levels <= spectrum)
    return at_level(spectrum, float(levels[reached[0]])).bits if reached.size and allowed > 0 else 0.0


FEW_ROWS = 10
"""With fewer rows than this many per column the covariance is shrunk (Ledoit and Wolf, 2004)."""


@dataclass(frozen=True)
class GaussianReference:
    """Bounds from the covariance [D, D] of training rows, its eigenvalues, and held-out variances along its axes."""

    covariance: Floats
    eigenvalues: Floats
    variances: Floats
    shrunk: bool

    @classmethod
    def of(cls, train: NDArray[np.floating[Any]], held_out: NDArray[np.floating[Any]]) -> GaussianReference:
        """From centered rows [n, D] and [m, D]."""
        rows = train.astype(np.float64)
        few = len(rows) < FEW_ROWS * rows.shape[1]
        covariance = shrunk_covariance(rows) if few else rows.T @ rows / len(rows)
        values, vectors = np.linalg.eigh(covariance)
        return cls(covariance, values, np.square(held_out.astype(np.float64) @ vectors).mean(0), few)

    def training(self, bits: float) -> float:
        """Quality of a Gaussian source with the training covariance."""
        return gaussian_quality(self.eigenvalues, bits)

    def held_out(self, bits: float) -> float:
        """The same code on rows with the held-out variances: see :func:`held_out_quality`."""
        return held_out_quality(self.eigenvalues, self.variances, bits)

    def gap_db(self, quality: float, bits: float) -> float | None:
        """10 log10 of the distortion over that of the held-out bound; None where either has none."""
        bound = self.held_out(bits)
        return 10 * math.log10((1 - quality) / (1 - bound)) if quality < 1 and bound < 1 else None


def shrunk_covariance(rows: Floats) -> Floats:
    """(1 - s) S + s m I [D, D] from centered rows [n, D], m the mean variance, s of least expected squared error.

    Ledoit and Wolf (2004); scikit-learn's, which takes seconds to import, is what the tests compare with.
    """
    count, columns = rows.shape
    sample = rows.T @ rows / count
    mean = np.trace(sample) / columns
    spread = np.square(sample).sum()
    error = (np.square(np.square(rows).sum(1)).sum() / count - spread) / count
    distance = spread - columns * mean**2
    shrinkage = min(error, distance) / distance if distance > 0 else 0.0
    shrunk: Floats = (1 - shrinkage) * sample + shrinkage * mean * np.eye(columns)
    return shrunk


def held_out_quality(eigenvalues: Floats, held_out_variances: Floats, bits: float) -> float:
    """The bound with training eigenvectors and water level, but the variances of held-out rows along them.

    ``held_out_variances`` [D] are the mean squares of held-out rows along the eigenvectors of ``eigenvalues`` [D]. A
    component above the level keeps the share t / l_i of its variance as distortion, one below it all of it.
    """
    level = water_filling(eigenvalues, bits).level
    above = eigenvalues > level
    share = np.where(above, level / np.where(above, eigenvalues, 1.0), 1.0)
    total = float(held_out_variances.sum())
    return 1.0 - float((share * held_out_variances).sum()) / total if total > 0 else 1.0
