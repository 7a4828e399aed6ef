"""Evaluation of a tokenizer on a table."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from spinlock.checkpoint.provenance import DatasetIdentity
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.evaluation.report import Report, make_report
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.io.names import match_columns
from spinlock.preprocessing.split import Split, rows_of
from spinlock.preprocessing.training_data import make_training_data
from spinlock.tokenizer import Tokenizer


def evaluate(tokenizer: Tokenizer, table: FeatureTable | Any) -> Report:
    """Measure a tokenizer on a table.

    On the table on which the tokenizer was trained, the validation rows are measured, as at the end of training. On any
    other table, all rows are measured, and all rows are used for the metrics that need training rows.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        A table of :func:`spinlock.read_features`, the path of a dataset, or a data frame, whose columns are matched by
        name; or an array or tensor with the columns ``tokenizer.feature_names``.

    Returns
    -------
    Report
        ``report.metrics``, ``report.targets`` and ``report.advice``.

    Raises
    ------
    DataError
        The table cannot be read, or a column of the model is missing.
    """
    checkpoint = tokenizer.checkpoint
    trained_on = checkpoint.dataset
    if not isinstance(table, FeatureTable):
        has_names = isinstance(table, str | os.PathLike) or hasattr(table, "columns")
        table = read_features(
            table,
            family=trained_on.family,
            feature_type=trained_on.feature_type,
            feature_names=None if has_names else checkpoint.feature_names,
        )
    is_training_table = DatasetIdentity.of(table) == trained_on
    split = checkpoint.split
    if not is_training_table:
        columns = match_columns(table.names, checkpoint.feature_names)
        positions = np.arange(table.num_operators * table.rows_per_operator)
        rows = table.rows[positions][:, columns]
        table = replace(table, rows=rows, names=checkpoint.feature_names)
        operators = np.arange(table.num_operators)
        all_rows = rows_of(operators, table.rows_per_operator)
        split = Split(all_rows, all_rows, operators, operators)
    data = make_training_data(
        table,
        split,
        checkpoint.cleaner,
        fit_rows=checkpoint.config.fit_rows,
        seed=checkpoint.config.random_seed,
        device=tokenizer.device,
    )
    metrics = final_metrics(tokenizer.model, data)
    return make_report(checkpoint, metrics, rows="validation" if is_training_table else "all")
