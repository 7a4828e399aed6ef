"""Evaluation of a tokenizer on a table."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from spinlock.arguments import checked_integer
from spinlock.checkpoint.provenance import DatasetIdentity
from spinlock.checkpoint.record import Checkpoint
from spinlock.errors import DataError
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.evaluation.other_table import other_table_metrics
from spinlock.evaluation.report import Report, make_other_report, make_report
from spinlock.io.arrays import feature_values
from spinlock.io.column_selection import select_columns
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.model.codec import make_codec
from spinlock.preprocessing.split import subsample
from spinlock.preprocessing.training_data import make_training_data
from spinlock.runtime.isolation import isolated
from spinlock.tokenizer import Tokenizer

MAX_ROWS = 20_000
"""Default maximum number of rows of another table that are measured; a fraction then has an error below 0.004."""


@isolated()
def evaluate(tokenizer: Tokenizer, table: FeatureTable | Any, *, max_rows: int = MAX_ROWS) -> Report:
    """Measure a tokenizer on a table.

    On the table on which the tokenizer was trained, the validation rows are measured, as at the end of training. Of any
    other table, all rows are measured, or a random sample of ``max_rows`` of them. Nothing is fitted on it: metrics of
    training rows, such as ``quality_train`` and ``inter_category_orthogonality``, are those of the training run, and
    metrics that need training rows together with the evaluated rows, such as ``gap_db``, are None.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        A table of :func:`spinlock.read_features`, the path of a dataset, or a data frame, whose columns are matched by
        name, and extra ones are ignored and logged; or an array or tensor with the columns ``tokenizer.feature_names``.
    max_rows
        Maximum number of rows of another table that are measured. The memory does not depend on the size of its file.

    Returns
    -------
    Report
        ``report.metrics``, ``report.targets`` and ``report.advice``; ``report.rows`` and ``report.num_rows`` say which
        rows were measured.

    Raises
    ------
    DataError
        The table cannot be read or has no rows, a column of the model is missing, or ``max_rows`` is not an integer of
        at least 2.
    """
    max_rows = checked_integer("max_rows", max_rows, minimum=2)
    checkpoint = tokenizer.checkpoint
    table = select_columns(_as_table(table, checkpoint), checkpoint.feature_names)
    if DatasetIdentity.of(table) == checkpoint.dataset:
        data = make_training_data(
            table,
            checkpoint.split,
            checkpoint.cleaner,
            fit_rows=checkpoint.config.fit_rows,
            seed=checkpoint.config.random_seed,
            device=tokenizer.device,
        )
        return make_report(checkpoint, final_metrics(tokenizer.model, data))
    if len(table.rows) < 2:
        raise DataError(f"the table has {len(table.rows)} rows", where=table.path, expected="2 or more rows")
    positions = subsample(np.arange(len(table.rows)), max_rows, checkpoint.config.random_seed)
    raw = table.rows[positions]
    rows = torch.from_numpy(checkpoint.cleaner.transform(raw).values).to(tokenizer.device)
    metrics = other_table_metrics(make_codec(tokenizer.model), checkpoint.cleaner, rows, raw, checkpoint.metrics)
    kind = "all" if len(positions) == len(table.rows) else "sample"
    return make_other_report(checkpoint, metrics, num_rows=len(positions), rows=kind)


def _as_table(table: Any, checkpoint: Checkpoint) -> FeatureTable:
    """Return a table; an array has the columns of the model."""
    if isinstance(table, FeatureTable):
        return table
    family, feature_type = checkpoint.dataset.family, checkpoint.dataset.feature_type
    if isinstance(table, str | os.PathLike):
        return read_features(table, family=family, feature_type=feature_type)
    names = checkpoint.feature_names
    values, _ = feature_values(table, names)
    return read_features(values, family=family, feature_type=feature_type, feature_names=names)
