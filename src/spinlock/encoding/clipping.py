"""Warning about values outside the ranges of the training rows, for example of a table in other units.

Letters: ``b`` blocks of rows, ``U`` kept columns.
"""

from __future__ import annotations

import numpy as np

from spinlock.preprocessing.cleaned_rows import ColumnRanges
from spinlock.preprocessing.cleaning import Cleaner

MAX_CLIPPED_FRACTION = 0.05
"""Fraction of all cells above which clipping is doubtful. In the training rows it is 0.002 by default."""

MAX_CLIPPED_COLUMN_FRACTION = 0.5
"""Fraction of the cells of a column above which clipping is doubtful."""

MIN_ROWS = 20
"""Minimum number of rows for a warning about a single column: a few unusual rows are no change of units."""

MAX_SHOWN_COLUMNS = 3
"""Maximum number of columns that the warning names."""


class ClippingCount:
    """Counts the clipped cells of each column over blocks of rows.

    Parameters
    ----------
    cleaner
        The cleaning of the model.
    """

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        columns = len(cleaner.kept)
        self._rows = 0
        self._clipped = np.zeros(columns, dtype=np.int64)
        self._smallest, self._largest = np.full((2, columns), np.nan)

    def add(self, rows: int, ranges: ColumnRanges) -> None:
        """Add blocks with a total number of ``rows``."""
        self._rows += rows
        self._clipped += ranges.clipped.sum(axis=0)
        self._smallest = np.fmin(self._smallest, np.fmin.reduce(ranges.smallest, axis=0))
        self._largest = np.fmax(self._largest, np.fmax.reduce(ranges.largest, axis=0))

    def warning(self) -> str:
        """Return one line about doubtful clipping, with the columns that are affected most; empty if there is none."""
        if not self._rows:
            return ""
        fractions = self._clipped / self._rows
        total = float(fractions.mean())
        columns = (fractions > MAX_CLIPPED_COLUMN_FRACTION) & (self._rows >= MIN_ROWS)
        if total <= MAX_CLIPPED_FRACTION and not columns.any():
            return ""
        worst = np.argsort(-fractions, kind="stable")[:MAX_SHOWN_COLUMNS]
        listing = ", ".join(self._describe(int(column), float(fractions[column])) for column in worst)
        return (
            f"{total:.1%} of the cells are outside the training range and were clipped; columns in which more than "
            f"half of the cells were clipped: {int(columns.sum())}; worst columns: {listing}; are these columns in "
            "another unit?"
        )

    def _describe(self, column: int, fraction: float) -> str:
        position = self._cleaner.kept[column]
        lower, upper = self._cleaner.screening.lower[position], self._cleaner.screening.upper[position]
        return (
            f"{self._cleaner.names[position]} ({fraction:.0%}; training range {lower:.4g} to {upper:.4g}, here "
            f"{self._smallest[column]:.4g} to {self._largest[column]:.4g})"
        )
