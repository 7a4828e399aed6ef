"""PCA with scalar quantization at a given number of bits: the classical transform code.

Each principal component has a quantizer of 2^b levels (Lloyd, 1982). Bits are given one at a time to the component
whose error decreases most, of those that have bits and the first one without. Everything is fitted on reference rows
and measured on other rows.

Letters: ``n``, ``m`` rows, ``U`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.correlation import principal_axes

Floats = NDArray[np.float64]

MAX_COMPONENT_BITS = 8
"""Maximum number of bits of one component."""

ITERATIONS = 30
"""Maximum number of iterations of Lloyd's algorithm."""


@dataclass(frozen=True, eq=False)
class ScalarQuantizer:
    """Reconstruction values in ascending order, and the mean squared error on the rows of the fit."""

    values: Floats
    error: float

    def apply(self, points: Floats) -> Floats:
        """Return the nearest reconstruction value of each point."""
        boundaries = (self.values[1:] + self.values[:-1]) / 2
        return self.values[np.searchsorted(boundaries, points)]


def fit_quantizer(points: Floats, levels: int) -> ScalarQuantizer:
    """Fit a scalar quantizer by Lloyd's algorithm, from quantiles of the points.

    Parameters
    ----------
    points
        Values [n] in ascending order.
    levels
        Number of reconstruction values.

    Returns
    -------
    ScalarQuantizer
    """
    sums = np.concatenate([[0.0], np.cumsum(points)])
    values = np.unique(np.quantile(points, (np.arange(levels) + 0.5) / levels))
    for _ in range(ITERATIONS):
        edges = np.concatenate([[0], np.searchsorted(points, (values[1:] + values[:-1]) / 2), [len(points)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges])[counts > 0] / counts[counts > 0]
        if len(means) == len(values) and np.allclose(means, values, rtol=0, atol=1e-9):
            break
        values = means
    fitted = ScalarQuantizer(values, 0.0)
    return ScalarQuantizer(values, float(np.square(points - fitted.apply(points)).mean()))


def transform_code_quality(fitted: Floats, scored: Floats, bits: Sequence[float]) -> list[float]:
    """Return the quality of the transform code at several rates.

    Parameters
    ----------
    fitted, scored
        Rows [n, U] of the fit, and rows [m, U] that are coded, z-scored.
    bits
        Bits per row; fractions of a bit are not used.

    Returns
    -------
    list of float
        Fractions of the variance of the scored rows that are explained.
    """
    axes = principal_axes(fitted)
    components, targets = fitted @ axes, scored @ axes
    columns = components.shape[1]
    outside = float(np.square(scored).sum() - np.square(targets).sum())  # error outside the span of the axes
    total = float(np.square(scored).sum())

    @cache
    def quantizer(column: int, count: int) -> ScalarQuantizer:
        if count == 0:
            return ScalarQuantizer(np.zeros(1), float(np.square(components[:, column]).mean()))
        return fit_quantizer(np.sort(components[:, column]), 2**count)

    def gain(column: int, count: int) -> float:
        if count == MAX_COMPONENT_BITS:
            return -1.0
        return quantizer(column, count).error - quantizer(column, count + 1).error

    if not columns:
        return [0.0 if total > 0 else 1.0] * len(bits)
    allocation = np.zeros(columns, dtype=np.int64)
    # A component has a smaller second moment than those before it. It is considered when they have bits.
    gains = np.full(columns, -1.0)
    gains[0], opened = gain(0, 0), 1
    qualities, spent = [], 0
    for rate in sorted(set(bits)):
        while spent < int(rate + 1e-9) and gains.max() > 0:
            chosen = int(gains.argmax())
            allocation[chosen] += 1
            spent += 1
            gains[chosen] = gain(chosen, int(allocation[chosen]))
            if chosen == opened - 1 and opened < columns:
                gains[opened] = gain(opened, 0)
                opened += 1
        error = outside + sum(
            float(np.square(targets[:, j] - quantizer(j, int(allocation[j])).apply(targets[:, j])).sum())
            for j in range(columns)
        )
        qualities.append((rate, 1 - error / total if total > 0 else 1.0))
    by_rate = dict(qualities)
    return [by_rate[rate] for rate in bits]
