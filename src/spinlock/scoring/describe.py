"""Description of the codebooks of a tokenizer on a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spinlock.arguments import checked_integer
from spinlock.errors import DataError
from spinlock.evaluation.codebooks.description import CodebookDescription, DescribedRows, describe
from spinlock.io.column_selection import select_columns
from spinlock.io.feature_table import FeatureTable
from spinlock.io.snapshots import Snapshots, read_snapshots
from spinlock.preprocessing.split import subsample
from spinlock.runtime.isolation import isolated
from spinlock.scoring.attributes import read_attributes
from spinlock.scoring.material import encode_rows, make_coder
from spinlock.scoring.setup import make_setup
from spinlock.scoring.tables import read_for
from spinlock.tokenizer import Tokenizer

MAX_ROWS, MAX_MAP_ROWS = 20_000, 5_000
"""Default maximum numbers of rows that are encoded, and of rows on the maps; t-SNE of 5,000 rows takes 40 s."""


@isolated()
def describe_codebooks(
    tokenizer: Tokenizer,
    table: FeatureTable | Any,
    *,
    labels: Sequence[str] | None = None,
    max_rows: int = MAX_ROWS,
    max_map_rows: int = MAX_MAP_ROWS,
    advance: Callable[[str], None] = lambda step: None,
) -> CodebookDescription:
    """Describe what the codes of a tokenizer mean on the rows of a table.

    All rows of the table are used, those of training and of validation, or random samples of them.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        A table of :func:`spinlock.read_features`, the path of a dataset, or a data frame, whose columns are matched by
        name; or an array or tensor with the columns ``tokenizer.feature_names``.
    labels
        Names of labels and parameters of the operators; by default the first twelve that are found.
    max_rows
        Maximum number of rows that are encoded, from which usage, prototypes and correlations are computed.
    max_map_rows
        Maximum number of these rows on the maps.
    advance
        Called with the name of each step before it is done; see ``STEPS`` in
        :mod:`spinlock.evaluation.codebooks.description`.

    Returns
    -------
    CodebookDescription

    Raises
    ------
    DataError
        The table cannot be read, has fewer than two rows or lacks a column of the model, or another argument is wrong.
    """
    max_rows = checked_integer("max_rows", max_rows, minimum=2)
    max_map_rows = checked_integer("max_map_rows", max_map_rows, minimum=2)
    advance("rows")
    checkpoint = tokenizer.checkpoint
    chosen_table = select_columns(read_for(tokenizer, table), checkpoint.feature_names)
    available = len(chosen_table.rows)
    if available < 2:
        raise DataError(f"the table has {available} rows", where=chosen_table.path, expected="2 or more rows")
    seed = checkpoint.config.random_seed
    positions = subsample(np.arange(available), max_rows, seed)
    rows = encode_rows(make_coder(tokenizer), chosen_table, positions)
    attributes, skipped = read_attributes(chosen_table, rows.operators, len(rows), labels)
    described = DescribedRows(
        rows=rows,
        on_maps=subsample(np.arange(len(rows)), max_map_rows, seed),
        attributes=attributes,
        skipped=skipped,
        snapshots=_snapshots(chosen_table),
    )
    setup = make_setup(tokenizer, chosen_table, len(rows), available, ("scikit-learn", "umap-learn", "matplotlib"))
    return describe(described, checkpoint, setup, advance)


def _snapshots(table: FeatureTable) -> Snapshots | None:
    """Return the snapshots of the file of a table, if it has any."""
    snapshots = None if table.path.startswith("<") else read_snapshots(table.path)
    if snapshots is not None and snapshots.operators[-1] >= table.num_operators:
        raise DataError(
            f"contains operator {snapshots.operators[-1]}",
            where=f"{table.path}:/snapshots/operators",
            expected=f"0 to {table.num_operators - 1}",
        )
    return snapshots
