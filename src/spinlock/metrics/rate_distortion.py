"""The rate-distortion bound of a Gaussian source: what no code can beat on such data at a given number of bits.

R(t) = sum_i max(0, 1/2 log2(l_i / t)), D(t) = sum_i min(t, l_i) for covariance eigenvalues l_i and water level t
(reverse water-filling; Cover and Thomas, Elements of Information Theory, chapter 10). A yardstick and not a wall: a
source with clusters can be coded better than a Gaussian one of the same covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

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
