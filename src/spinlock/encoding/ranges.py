"""Warning about rows whose values do not fit the ranges of the training rows, for example of a table in other units.

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

MIN_SPAN = 1 / 20
"""Fraction of a column's training range below which the range of its values is doubtful."""

MAX_NARROW_FRACTION = 0.5
"""Fraction of the columns with doubtfully narrow ranges above which a table is doubtful."""

MIN_ROWS = 20
"""Minimum number of rows for a warning about single columns: a few unusual rows do not indicate another unit."""

MAX_SHOWN_COLUMNS = 3
"""Maximum number of columns that the warning names."""


class RangeCheck:
    """Compares the values of each column with its training range, over blocks of rows.

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
        self._rows = 0
        self._clipped = np.zeros(len(self._names), dtype=np.int64)
        self._smallest, self._largest = np.full((2, len(self._names)), np.nan)

    def add(self, rows: int, ranges: ColumnRanges) -> None:
        """Add blocks with a total number of ``rows``."""
        self._rows += rows
        self._clipped += ranges.clipped.sum(axis=0)
        self._smallest = np.fmin(self._smallest, np.fmin.reduce(ranges.smallest, axis=0))
        self._largest = np.fmax(self._largest, np.fmax.reduce(ranges.largest, axis=0))

    def warning(self) -> str:
        """Return one line about doubtful ranges; empty if there are none.

        It names the columns above the limit of 50 %, or the worst columns if only the limit of all cells is exceeded.

        Clipping is doubtful above 5 % + 2 / (n + 1) of all cells, or 50 % of the cells of a column. The second term is
        the expected fraction of new values outside the range of n training rows. Ranges are doubtful if more than half
        of the columns vary by less than 5 % of their training range.
        """
        if not self._rows:
            return ""
        return self._clipping_warning() or self._narrow_warning()

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
