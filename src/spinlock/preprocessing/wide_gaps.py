"""Knots inside wide gaps of a column, so that a small error in z does not become a large error in x.

Suppose that the values of a column are of order 1, and that a few are 1e9. If the function is linear across the gap,
its inverse maps an ordinary z with a small error to 1e7. There are no training values inside the gap, so the function
can have any increasing shape there. An exponential function is used. With the fraction t of the gap in z, the distance
in x from the end of the gap is

    s ((1 + g / s)^t - 1),

where g is the width of the gap, and s is the width that the gap would have with the slope dx/dz beside this end. If
both ends have a smaller slope than the gap, the gap is divided into two parts, one for each end.

Letters: ``n`` rows, ``Q`` knots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.preprocessing.knots import Curve

Floats = NDArray[np.float64]

MIN_RATIO = 100.0
"""Minimum ratio of the slope dx/dz in a wide gap to that beside it."""

MAX_GAPS = 4
"""Maximum number of gaps that get more knots: those with the largest ratios."""

NEIGHBORS = 8
"""Number of pieces of the function from which the slope beside a gap is computed."""

PIECES_PER_GAP = 16
"""Number of linear pieces of the function in a gap."""


def add_knots_in_gaps(curve: Curve, column: Floats) -> Curve:
    """Add knots in wide gaps without training values.

    Parameters
    ----------
    curve
        Knots and z of a column, [Q] each.
    column
        Training values [n]; their z does not change.

    Returns
    -------
    values, z : numpy.ndarray
        Knots and scores with those of the gaps.
    """
    values, z = curve
    widths, steps = np.diff(values), np.diff(z)
    slopes = widths / steps
    knots = np.arange(len(values))
    before = np.minimum(_slopes(values, z, np.maximum(knots - NEIGHBORS, 0), knots)[:-1], slopes)
    after = np.minimum(_slopes(values, z, knots, np.minimum(knots + NEIGHBORS, knots[-1]))[1:], slopes)
    ratios = slopes / np.minimum(before, after)
    ordered = np.sort(column)
    inside = np.searchsorted(ordered, values[1:], "left") - np.searchsorted(ordered, values[:-1], "right")
    gaps = np.flatnonzero((ratios > MIN_RATIO) & (inside == 0))
    gaps = gaps[np.argsort(-ratios[gaps], kind="stable")][:MAX_GAPS]
    new_values, new_z = [values], [z]
    for gap in gaps.tolist():
        t = np.arange(1, PIECES_PER_GAP) / PIECES_PER_GAP
        new_z.append(z[gap] + t * steps[gap])
        ends = before[gap] / slopes[gap], after[gap] / slopes[gap]
        new_values.append(values[gap] + widths[gap] * _bent(t, *ends))
    all_values, all_z = np.concatenate(new_values), np.concatenate(new_z)
    order = np.argsort(all_z, kind="stable")
    all_values, all_z = all_values[order], all_z[order]
    old = np.isin(all_z, z)
    lower = np.maximum.accumulate(np.where(old, all_values, -np.inf))  # new knots have to be inside their gap
    rising = np.append(True, np.diff(all_values) > 0) & np.append(np.diff(all_values) > 0, True)
    kept = old | (rising & (all_values > lower))
    return all_values[kept], all_z[kept]


def _slopes(values: Floats, z: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    """Return dx/dz between the knots ``first`` and ``last`` [Q]; infinity where both are the same."""
    steps = z[last] - z[first]
    slopes: Floats = np.divide(values[last] - values[first], steps, out=np.full(len(steps), np.inf), where=steps > 0)
    return slopes


def _bent(t: Floats, first: float, second: float) -> Floats:
    """Return x at the fractions t of a gap, both from 0 to 1.

    Parameters
    ----------
    t
        Fractions in z.
    first, second
        Slopes outside of both ends, relative to the mean slope in the gap, at most 1. 1 is linear.
    """
    logs = -np.log([first, second])
    share = logs[0] / logs.sum()
    x = np.empty_like(t)
    left = t <= share
    x[left] = share * _exponential(t[left] / share, first)
    x[~left] = 1 - (1 - share) * _exponential((1 - t[~left]) / (1 - share), second)
    return x


def _exponential(t: Floats, slope: float) -> Floats:
    """Return s ((1 + 1 / s)^t - 1) for the slope s at t = 0."""
    return np.asarray(slope * np.expm1(t * np.log1p(1 / slope)))
