"""Selection of the columns of a feature table by their names.

Letters: ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spinlock.errors import located
from spinlock.io.arrays.row_precision import RowDigest
from spinlock.io.feature_table import FeatureTable
from spinlock.io.names import log_ignored, match_columns
from spinlock.io.stored_rows import StoredRows

HASH_ROWS = 8192
"""Number of rows that are hashed at the same time."""


def select_columns(table: FeatureTable, names: Sequence[str]) -> FeatureTable:
    """Return a table with the columns ``names`` [D], in this order; a table in a file stays there.

    Parameters
    ----------
    table
        Feature table.
    names
        Names of its columns, or of some of them.

    Returns
    -------
    FeatureTable
        ``table`` itself if its columns have these names in this order. Otherwise the hash is that of the new rows.

    Raises
    ------
    DataError
        A column is missing.
    """
    if tuple(names) == table.names:
        return table
    with located(table.path):
        columns = match_columns(table.names, names)
    log_ignored(table.names, names)
    rows = table.rows.select(columns) if isinstance(table.rows, StoredRows) else table.rows[:, columns].copy(order="C")
    starts = range(0, len(rows), HASH_ROWS)
    sha256 = RowDigest.of_blocks(rows[np.arange(start, min(start + HASH_ROWS, len(rows)))] for start in starts)
    return replace(table, rows=rows, names=tuple(names), sha256=sha256)
