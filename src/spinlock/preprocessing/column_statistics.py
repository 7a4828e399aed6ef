"""Statistics of the columns on training rows, and the selection of the columns that cannot be used.

A column is dropped for one of three reasons: too many of its cells are missing (NaN or infinite); almost all rows have
the same value, where missing cells count as the median; or it is constant after clipping. Statistics are computed in
float64 from the sorted finite cells, so values near the float32 limit do not overflow.

Letters: ``n`` rows, ``m`` finite cells of a column, ``D`` columns, ``U`` selected columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spinlock.io.arrays.row_precision import RawRows

Floats = NDArray[np.float64]

DropKind = Literal["missing", "constant", "duplicate"]

BLOCK_COLUMNS = 32
"""Number of columns that are converted to float64 at once, to limit the memory."""

BLOCK_ROWS = 8192
"""Number of rows that are converted to float64 at once, to limit the memory."""


class CleaningRules(Protocol):
    """Thresholds of the cleaning, named as in the configuration; good values are in parentheses."""

    @property
    def max_missing_fraction(self) -> float:
        """Maximum fraction of missing cells of a usable column (0.5)."""

    @property
    def max_constant_fraction(self) -> float:
        """Minimum fraction of rows with the same value in a near-constant column (0.995)."""

    @property
    def duplicate_correlation(self) -> float:
        """Minimum absolute correlation of two columns that are duplicates (0.9999)."""

    @property
    def clip_lower_percentile(self) -> float:
        """Training percentile to which smaller values are clipped (0.1)."""

    @property
    def clip_upper_percentile(self) -> float:
        """Training percentile to which larger values are clipped (99.9)."""

    @property
    def normalization_method(self) -> str:
        """``auto``, ``standard``, ``robust`` or ``rank_gauss``."""


@dataclass(frozen=True)
class DropReason:
    """Reason why a column is dropped: its kind, and a text with the numbers."""

    kind: DropKind
    text: str


@dataclass(frozen=True)
class Screening:
    """Statistics of the D columns on training rows, and the reasons to drop unusable columns.

    Attributes
    ----------
    median, lower, upper
        Median and clip limits [D] of the finite cells.
    mean, std
        Mean and standard deviation [D] after clipping. For a usable column they include the imputed cells; for other
        columns they are those of the finite cells. ``std`` is exactly 0 for a constant column. All statistics are NaN
        for a column without finite cells.
    missing
        Number [D] of missing cells.
    reasons
        Reason for each unusable column, by its index.
    """

    median: Floats
    lower: Floats
    upper: Floats
    mean: Floats
    std: Floats
    missing: NDArray[np.int64]
    reasons: dict[int, DropReason]

    def impute(self, raw: Floats, finite: NDArray[np.bool_], columns: NDArray[np.int64]) -> Floats:
        """Replace missing cells by the training median; see :meth:`impute_and_clip`."""
        return raw if finite.all() else np.where(finite, raw, self.median[columns])

    def impute_and_clip(self, raw: Floats, finite: NDArray[np.bool_], columns: NDArray[np.int64]) -> Floats:
        """Replace missing cells by the training median, and clip to the training limits.

        Parameters
        ----------
        raw
            Raw values [n, U] of some columns.
        finite
            Mask [n, U] of the finite cells.
        columns
            Positions [U] of the columns.

        Returns
        -------
        numpy.ndarray
            Finite values [n, U] between the limits.
        """
        raised = np.maximum(self.impute(raw, finite, columns), self.lower[columns])  # faster than numpy.clip
        return np.minimum(raised, self.upper[columns], out=raised)

    def z_scored_blocks(self, x: RawRows, columns: NDArray[np.int64]) -> Iterator[Floats]:
        """Yield blocks of rows of ``columns`` [U] of raw rows [n, D], imputed, clipped and z-scored."""
        for start in range(0, len(x), BLOCK_ROWS):
            raw = x[start : start + BLOCK_ROWS, columns].astype(np.float64)
            clipped = self.impute_and_clip(raw, np.isfinite(raw), columns)
            yield (clipped - self.mean[columns]) / self.std[columns]

    def clipped_columns(self, x: RawRows, columns: NDArray[np.int64]) -> Iterator[Floats]:
        """Yield blocks of ``columns`` [U] of raw rows [n, D], imputed and clipped, with all rows."""
        for start in range(0, len(columns), BLOCK_COLUMNS):
            block = columns[start : start + BLOCK_COLUMNS]
            raw = x[:, block].astype(np.float64)
            yield self.impute_and_clip(raw, np.isfinite(raw), block)


def screen(x: RawRows, rules: CleaningRules) -> Screening:
    """Compute the column statistics of training rows in float64, and find the unusable columns.

    Parameters
    ----------
    x
        Training rows [n, D].
    rules
        Thresholds of the cleaning.

    Returns
    -------
    Screening
    """
    rows, columns = x.shape
    table = np.full((5, columns), np.nan)
    missing = np.zeros(columns, dtype=np.int64)
    reasons: dict[int, DropReason] = {}
    for column, finite in sorted_finite_cells(x, np.arange(columns)):
        missing[column] = rows - len(finite)
        reason = _missing_reason(rows, len(finite), rules)
        if len(finite):
            median, lower, upper = quantiles(finite, (50.0, rules.clip_lower_percentile, rules.clip_upper_percentile))
            reason = reason or _near_constant_reason(finite, median, rows, rules)
            clipped = finite.clip(lower, upper)
            if clipped[0] == clipped[-1]:
                reason = reason or DropReason("constant", f"constant after clipping: {clipped[0]:g}")
                mean, std = float(clipped[0]), 0.0
            else:
                mean, std = _moments(clipped, 0 if reason else rows - len(finite), median)
            table[:, column] = median, lower, upper, mean, std
        if reason:
            reasons[column] = reason
    median_, lower_, upper_, mean_, std_ = table
    return Screening(median_, lower_, upper_, mean_, std_, missing, reasons)


def quantiles(ascending: Floats, percentiles: tuple[float, ...]) -> list[float]:
    """Return percentiles of a sorted column, with the linear interpolation of ``numpy.percentile``.

    Parameters
    ----------
    ascending
        Sorted values [m].
    percentiles
        Percentiles in [0, 100].

    Returns
    -------
    list of float
    """
    position = np.asarray(percentiles) / 100 * (len(ascending) - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, len(ascending) - 1)
    values: list[float] = (ascending[below] + (ascending[above] - ascending[below]) * (position - below)).tolist()
    return values


def sorted_finite_cells(x: RawRows, columns: NDArray[np.int64]) -> Iterator[tuple[int, Floats]]:
    """Yield each of the columns [U] of raw rows [n, D]: its position, and its finite cells [m] in ascending order."""
    for start in range(0, len(columns), BLOCK_COLUMNS):
        selected = columns[start : start + BLOCK_COLUMNS]
        block = np.array(x[:, selected].T, order="C")
        block[~np.isfinite(block)] = np.nan
        counts = block.shape[1] - np.isnan(block).sum(axis=1)
        block.sort(axis=1)
        for cells, column, count in zip(block, selected.tolist(), counts.tolist(), strict=True):
            yield column, cells[:count].astype(np.float64)


def with_imputed_cells(finite: Floats, rows: int, median: float) -> Floats:
    """Return a column [n] in ascending order: its sorted finite cells [m], and the median for each missing cell."""
    missing = rows - len(finite)
    return np.insert(finite, np.searchsorted(finite, median), np.full(missing, median)) if missing else finite


def _missing_reason(rows: int, finite: int, rules: CleaningRules) -> DropReason | None:
    """Return a reason if the fraction of missing cells is too large."""
    fraction = (rows - finite) / rows
    if finite == 0:
        return DropReason("missing", "missing in every training row")
    if fraction > rules.max_missing_fraction:
        return DropReason("missing", f"missing in {fraction:.1%} of the rows")
    return None


def _near_constant_reason(finite: Floats, median: float, rows: int, rules: CleaningRules) -> DropReason | None:
    """Return a reason if too many rows have the same value after imputation."""
    column = with_imputed_cells(finite, rows, median)
    run = max(1, int(np.ceil(rules.max_constant_fraction * rows - 1e-9)))
    same = np.flatnonzero(column[run - 1 :] == column[: rows - run + 1])
    if len(same) == 0:
        return None
    value = column[same[0]]
    count = int(np.searchsorted(column, value, "right") - np.searchsorted(column, value, "left"))
    if count == rows:
        return DropReason("constant", f"constant: {value:g}")
    return DropReason("constant", f"near-constant: {value:g} in {count / rows:.2%} of the rows")


def _moments(clipped: Floats, imputed: int, median: float) -> tuple[float, float]:
    """Return mean and standard deviation (divisor n) of clipped cells and ``imputed`` cells equal to the median."""
    rows = len(clipped) + imputed
    mean = (float(clipped.sum()) + imputed * median) / rows
    squares = float(np.square(clipped - mean).sum()) + imputed * (median - mean) ** 2
    return mean, float(np.sqrt(squares / rows))
