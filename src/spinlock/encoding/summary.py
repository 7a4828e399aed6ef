"""The summary of an encoded dataset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EncodingSummary:
    """The result of :func:`spinlock.encoding.encode_file`.

    Attributes
    ----------
    rows, tokens_per_row
        Number of rows, and of tokens of each row (3C).
    mean_error
        Mean squared reconstruction error in normalized units.
    imputed_cells, clipped_cells
        Numbers of cells.
    extra_columns
        Number of columns of the dataset that the model does not use.
    near_tie_rows
        Number of rows for which another device can choose another code, because two codes are almost equally near.
    seconds
        Duration in seconds.
    notes
        What the user should know about the dataset, for example rows that were never written.
    range_warning
        Line about columns that do not fit the training rows, for example in another unit or without values; empty if
        there is nothing to report. See :meth:`spinlock.encoding.ranges.RangeCheck.warning`.
    was_complete
        Whether the output is a shard that was complete before.
    """

    rows: int
    tokens_per_row: int
    mean_error: float
    imputed_cells: int
    clipped_cells: int
    extra_columns: int
    near_tie_rows: int
    seconds: float
    notes: tuple[str, ...]
    range_warning: str
    was_complete: bool = False
