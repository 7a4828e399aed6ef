"""Warning about rows that do not fit the training rows, for example of a table in other units or without a column.

Letters: ``b`` blocks of rows, ``U`` kept columns.
"""

from __future__ import annotations

import numpy as np

from spinlock.checkpoint.record import Checkpoint
from spinlock.preprocessing.cleaned_rows import ColumnRanges

MAX_CLIPPED_FRACTION = 0.05
"""Fraction of all cells above which clipping is doubtful, besides the expected fraction of new rows."""

MAX_CLIPPED_COLUMN_FRACTION = 0.5
"""Fraction of the cells of a column above which clipping is doubtful."""

MAX_MISSING_FRACTION = 0.5
"""Fraction of the cells that had values in the training rows above which missing cells are doubtful."""

MIN_SPAN = 1 / 20
"""Fraction of a column's training range below which the range of its values is doubtful."""

MAX_NARROW_FRACTION = 0.5
"""Fraction of the columns with doubtfully narrow ranges above which a table is doubtful."""

MIN_ROWS = 20
"""Minimum number of rows for a warning about single columns: a few unusual rows do not indicate another unit."""

MAX_SHOWN_COLUMNS = 3
"""Maximum number of columns that the warning names."""


class RangeCheck:
    """Compares the values and the missing cells of each column with those of the training rows, over blocks of rows.

    Parameters
    ----------
    checkpoint
        The trained model.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        cleaner = checkpoint.cleaner
        self._names = cleaner.kept_names
        self._lower, self._upper = cleaner.screening.lower[cleaner.kept], cleaner.screening.upper[cleaner.kept]
        self._max_clipped = MAX_CLIPPED_FRACTION + 2 / (len(checkpoint.split.train) + 1)
        fitted = min(len(checkpoint.split.train), checkpoint.config.fit_rows)  # rows on which the cleaner was fitted
        self._trained_missing = np.minimum(1, cleaner.screening.missing[cleaner.kept] / fitted)
        self._rows = 0
        self._clipped, self._missing = np.zeros((2, len(self._names)), dtype=np.int64)
        self._smallest, self._largest = np.full((2, len(self._names)), np.nan)

    def add(self, rows: int, ranges: ColumnRanges) -> None:
        """Add blocks with a total number of ``rows``."""
        self._rows += rows
        self._clipped += ranges.clipped.sum(axis=0)
        self._missing += ranges.missing.sum(axis=0)
        self._smallest = np.fmin(self._smallest, np.fmin.reduce(ranges.smallest, axis=0, initial=np.nan))
        self._largest = np.fmax(self._largest, np.fmax.reduce(ranges.largest, axis=0, initial=np.nan))

    def warning(self) -> str:
        """Return one line about doubtful columns; empty if there are none.

        Missing cells are doubtful above a fraction (1 + m) / 2 of all cells, or of the cells of a column; m is the
        fraction in the training rows.

        Clipping is doubtful above 5 % + 2 / (n + 1) of all cells, or 50 % of the cells of a column. The second term is
        the expected fraction of new values outside the range of n training rows. Ranges are doubtful if more than half
        of the columns vary by less than 5 % of their training range.

        The line names the columns above the limit of a column, or the worst columns if only the limit of all cells is
        exceeded.
        """
        if not self._rows:
            return ""
        return "; ".join(filter(None, [self._missing_warning(), self._clipping_warning() or self._narrow_warning()]))

    def _missing_warning(self) -> str:
        fractions = self._missing / self._rows
        limits = self._trained_missing + MAX_MISSING_FRACTION * (1 - self._trained_missing)
        columns = (fractions > limits) & (self._rows >= MIN_ROWS)
        if fractions.mean() <= limits.mean() and not columns.any():
            return ""
        excess = fractions - self._trained_missing
        worst = np.argsort(-excess, kind="stable")[:MAX_SHOWN_COLUMNS]
        if columns.any():
            worst = worst[columns[worst]]
        listing = ", ".join(
            f"{self._names[j]} ({fractions[j]:.0%}; {self._trained_missing[j]:.0%} in the training rows)"
            for j in worst.tolist()
        )
        return (
            f"{fractions.mean():.1%} of the cells are missing (NaN or infinite) and were replaced by the training "
            f"medians; columns in which more than half of the usual values are missing: {int(columns.sum())}; worst "
            f"columns: {listing}; were these columns measured?"
        )

    def _clipping_warning(self) -> str:
        fractions = self._clipped / self._rows
        total = float(fractions.mean())
        columns = (fractions > MAX_CLIPPED_COLUMN_FRACTION) & (self._rows >= MIN_ROWS)
        if total <= self._max_clipped and not columns.any():
            return ""
        worst = np.argsort(-fractions, kind="stable")[:MAX_SHOWN_COLUMNS]
        if columns.any():
            worst = worst[columns[worst]]
        listing = ", ".join(self._describe(j, f"{fractions[j]:.0%}; ") for j in worst.tolist())
        return (
            f"{total:.1%} of the cells are outside the training range and were clipped; columns in which more than "
            f"half of the cells were clipped: {int(columns.sum())}; worst columns: {listing}; are these columns in "
            "another unit?"
        )

    def _narrow_warning(self) -> str:
        spans = (self._largest - self._smallest) / (self._upper - self._lower)  # NaN in a column without a number
        narrow = int((spans < MIN_SPAN).sum())
        if self._rows < MIN_ROWS or narrow <= MAX_NARROW_FRACTION * len(spans):
            return ""
        listing = ", ".join(self._describe(j) for j in np.argsort(spans, kind="stable")[:MAX_SHOWN_COLUMNS].tolist())
        return (
            f"{narrow} of {len(spans)} columns vary by less than {MIN_SPAN:.0%} of their training range; narrowest "
            f"columns: {listing}; are these columns in another unit?"
        )

    def _describe(self, column: int, prefix: str = "") -> str:
        return (
            f"{self._names[column]} ({prefix}training range {self._lower[column]:.4g} to {self._upper[column]:.4g}, "
            f"here {self._smallest[column]:.4g} to {self._largest[column]:.4g})"
        )
