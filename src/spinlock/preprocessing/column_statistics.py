"""What the training rows say of each column: its median, clip limits and unit, and whether it can be used.

A column is unusable when more than a share of its cells is missing (NaN or infinite), when its commonest
value, missing cells counted as the median, fills almost all rows, or when nothing but one value is left after
clipping.

Everything is computed in float64 from the sorted finite cells, so values next to the float32 limit do not
overflow. Letters: ``n`` rows, ``m`` finite cells of a column, ``D`` columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COLUMNS_AT_ONCE = 32


class CleaningRules(Protocol):
    """The thresholds of the cleaning, as the configuration names them."""

    @property
    def max_missing_fraction(self) -> float:
        """Most missing cells of a usable column, as a share of the rows (0.5)."""

    @property
    def max_constant_fraction(self) -> float:
        """The share of rows from which on the commonest value makes a column near-constant (0.995)."""

    @property
    def duplicate_correlation(self) -> float:
        """The absolute correlation from which on two columns are one (0.9999)."""

    @property
    def clip_lower_percentile(self) -> float:
        """Values below this training percentile are raised to it (0.1)."""

    @property
    def clip_upper_percentile(self) -> float:
        """Values above this training percentile are lowered to it (99.9)."""

    @property
    def normalization_method(self) -> str:
        """``standard``, ``robust`` or ``rank_gauss``."""


@dataclass(frozen=True)
class Screening:
    """Statistics [D] of the training rows and the reasons {column: why} against the unusable columns.

    ``median``, ``lower`` and ``upper`` are of the finite cells. ``mean`` and ``std`` are after clipping: of
    all rows with the missing cells imputed for a usable column, of the observed cells for the others. All NaN
    where nothing is finite; ``std`` is exactly 0 for a column of one value.
    """

    median: Floats
    lower: Floats
    upper: Floats
    mean: Floats
    std: Floats
    missing: NDArray[np.int64]
    reasons: dict[int, str]


def screen(x: NDArray[np.float32], rules: CleaningRules) -> Screening:
    """Statistics of the training rows ``x`` [n, D] and what makes columns unusable, in float64."""
    rows, columns = x.shape
    table = np.full((5, columns), np.nan)
    missing = np.zeros(columns, dtype=np.int64)
    reasons: dict[int, str] = {}
    for column, finite in _sorted_finite(x):
        missing[column] = rows - len(finite)
        reason = _too_much_missing(rows, len(finite), rules)
        if len(finite):
            median, lower, upper = quantiles(finite, (50.0, rules.clip_lower_percentile, rules.clip_upper_percentile))
            reason = reason or _near_constant(finite, median, rows, rules)
            clipped = finite.clip(lower, upper)
            if clipped[0] == clipped[-1]:
                reason = reason or f"constant after clipping: {clipped[0]:g}"
                mean, std = float(clipped[0]), 0.0
            else:
                mean, std = _moments(clipped, 0 if reason else rows - len(finite), median)
            table[:, column] = median, lower, upper, mean, std
        if reason:
            reasons[column] = reason
    median_, lower_, upper_, mean_, std_ = table
    return Screening(median_, lower_, upper_, mean_, std_, missing, reasons)


def _sorted_finite(x: NDArray[np.float32]) -> Iterator[tuple[int, Floats]]:
    """(column, its finite cells [m], ascending) for each column."""
    for start in range(0, x.shape[1], COLUMNS_AT_ONCE):
        block = np.array(x[:, start : start + COLUMNS_AT_ONCE].T, order="C")
        block[~np.isfinite(block)] = np.nan
        counts = block.shape[1] - np.isnan(block).sum(axis=1)
        block.sort(axis=1)
        for offset, count in enumerate(counts.tolist()):
            yield start + offset, block[offset, :count].astype(np.float64)


def quantiles(ascending: Floats, percentiles: tuple[float, ...]) -> list[float]:
    """Percentiles of a sorted column [m], linear between order statistics as in ``numpy.percentile``."""
    position = np.asarray(percentiles) / 100 * (len(ascending) - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, len(ascending) - 1)
    found: list[float] = (ascending[below] + (ascending[above] - ascending[below]) * (position - below)).tolist()
    return found


def _too_much_missing(rows: int, finite: int, rules: CleaningRules) -> str:
    share = (rows - finite) / rows
    if finite == 0:
        return "missing in every training row"
    return f"missing in {share:.1%} of the training rows" if share > rules.max_missing_fraction else ""


def _near_constant(finite: Floats, median: float, rows: int, rules: CleaningRules) -> str:
    """The reason against a column whose commonest value, after imputation, fills the share of rows."""
    missing = rows - len(finite)
    column = finite
    if missing:
        column = np.insert(finite, np.searchsorted(finite, median), np.full(missing, median))
    run = max(1, int(np.ceil(rules.max_constant_fraction * rows - 1e-9)))
    same = np.flatnonzero(column[run - 1 :] == column[: rows - run + 1])
    if len(same) == 0:
        return ""
    value = column[same[0]]
    count = int(np.searchsorted(column, value, "right") - np.searchsorted(column, value, "left"))
    if count == rows:
        return f"constant: {value:g}"
    return f"near-constant: {value:g} in {count / rows:.2%} of the training rows"


def _moments(clipped: Floats, imputed: int, median: float) -> tuple[float, float]:
    """Mean and standard deviation (divisor n) of the clipped cells and ``imputed`` more at the median."""
    rows = len(clipped) + imputed
    mean = (float(clipped.sum()) + imputed * median) / rows
    squares = float(np.square(clipped - mean).sum()) + imputed * (median - mean) ** 2
    return mean, float(np.sqrt(squares / rows))


def describe(reasons: dict[int, str]) -> dict[str, Any]:
    """How many columns fell to each kind of reason: {"missing": 3, "constant": 12, ...}."""
    kinds = [reason.split()[0].rstrip(":") for reason in reasons.values()]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
