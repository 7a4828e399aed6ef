"""Evaluation of a tokenizer on a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.arguments import checked_integer
from spinlock.checkpoint.provenance import DatasetIdentity, versions
from spinlock.errors import DataError
from spinlock.evaluation.best_epoch import best_epoch
from spinlock.evaluation.evaluation import Evaluation, Setup
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.evaluation.other_table import other_table_metrics
from spinlock.evaluation.reference import half_yardstick, training_yardstick
from spinlock.evaluation.report import Report, make_other_report, make_report
from spinlock.evaluation.rows import Coder, EvaluatedRows
from spinlock.evaluation.sections import SECTIONS, Material, measure
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
def evaluate(
    tokenizer: Tokenizer,
    table: FeatureTable | Any,
    *,
    max_rows: int = MAX_ROWS,
    sections: Sequence[str] = SECTIONS,
    advance: Callable[[str], None] = lambda section: None,
) -> Evaluation:
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
        Maximum number of rows of another table that are measured, and of the rows of each section. The memory does not
        depend on the size of the file.
    sections
        Names of the sections to measure, of :data:`spinlock.evaluation.sections.SECTIONS`; by default all of them.
    advance
        Called with the name of each section before it is measured.

    Returns
    -------
    Evaluation
        ``evaluation.metrics``, ``.targets`` and ``.advice``; ``.rows`` and ``.num_rows`` say which rows were measured;
        and an attribute for each section.

    Raises
    ------
    DataError
        The table cannot be read or has no rows, a column of the model is missing, ``max_rows`` is not an integer of
        at least 2, or a section is unknown.
    """
    max_rows = checked_integer("max_rows", max_rows, minimum=2)
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise DataError(f"sections contains {unknown[0]!r}", expected=f"some of {', '.join(SECTIONS)}")
    checkpoint = tokenizer.checkpoint
    table = select_columns(read_for(tokenizer, table), checkpoint.feature_names)
    advance("targets")
    if DatasetIdentity.of(table) == checkpoint.dataset:
        report, positions = _training_report(tokenizer, table)
    else:
        report, positions = _other_report(tokenizer, table, max_rows)
    measured = _measured_sections(tokenizer, table, positions, max_rows, sections, advance)
    return Evaluation(**{name: getattr(report, name) for name in Report.__dataclass_fields__}, **measured)


def _training_report(tokenizer: Tokenizer, table: FeatureTable) -> tuple[Report, NDArray[np.int64]]:
    """Return the report of the validation rows of the training table, and their positions."""
    checkpoint = tokenizer.checkpoint
    data = make_training_data(
        table,
        checkpoint.split,
        checkpoint.cleaner,
        fit_rows=checkpoint.config.fit_rows,
        seed=checkpoint.config.random_seed,
        device=tokenizer.device,
    )
    return make_report(checkpoint, final_metrics(tokenizer.model, data)), checkpoint.split.validation


def _other_report(tokenizer: Tokenizer, table: FeatureTable, max_rows: int) -> tuple[Report, NDArray[np.int64]]:
    """Return the report of all rows of another table, or of a sample of them, and their positions."""
    if len(table.rows) < 2:
        raise DataError(f"the table has {len(table.rows)} rows", where=table.path, expected="2 or more rows")
    checkpoint = tokenizer.checkpoint
    positions = subsample(np.arange(len(table.rows)), max_rows, checkpoint.config.random_seed)
    raw = table.rows[positions]
    rows = torch.from_numpy(checkpoint.cleaner.transform(raw).values).to(tokenizer.device)
    metrics = other_table_metrics(make_codec(tokenizer.model), checkpoint.cleaner, rows, raw, checkpoint.metrics)
    kind = "all" if len(positions) == len(table.rows) else "sample"
    return make_other_report(checkpoint, metrics, num_rows=len(positions), rows=kind), positions


def _measured_sections(
    tokenizer: Tokenizer,
    table: FeatureTable,
    positions: NDArray[np.int64],
    max_rows: int,
    sections: Sequence[str],
    advance: Callable[[str], None],
) -> dict[str, Any]:
    """Measure the sections on rows of a table, and return them by name, with the setup."""
    checkpoint = tokenizer.checkpoint
    seed = checkpoint.config.random_seed
    coder = Coder(make_codec(tokenizer.model), checkpoint.cleaner, tokenizer.device)
    chosen = subsample(positions, max_rows, seed)
    rows = _evaluated(coder, table, chosen)
    same_table = DatasetIdentity.of(table) == checkpoint.dataset
    if same_table:
        training = _evaluated(coder, table, subsample(checkpoint.split.train, max_rows, seed))
        yardstick = training_yardstick(training, rows)
    else:
        yardstick = half_yardstick(rows, seed)
    setup = Setup(
        table=table.path,
        model=str(checkpoint.path),
        model_sha256=tokenizer.sha256(),
        same_table=same_table,
        num_operators=table.num_operators,
        num_table_rows=len(table.rows),
        num_rows=len(chosen),
        sampled=len(chosen) < (len(positions) if same_table else len(table.rows)),
        num_columns=len(checkpoint.feature_names),
        num_kept_columns=len(checkpoint.cleaner.kept),
        num_categories=rows.spec.num_categories,
        assignment=rows.spec.assignment,
        seed=seed,
        versions=versions(),
    )
    material = Material(rows, yardstick, seed)
    results = measure(material, sections, advance)
    return {"setup": setup, "best_epoch": best_epoch(checkpoint), **results}


def _evaluated(coder: Coder, table: FeatureTable, positions: NDArray[np.int64]) -> EvaluatedRows:
    """Encode the rows of a table at ascending positions."""
    return coder.evaluated(table.rows[positions], positions, positions // table.rows_per_operator)


def read_for(tokenizer: Tokenizer, table: Any) -> FeatureTable:
    """Return the table of a dataset that has the family and type of a tokenizer's training table.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        A path, a data frame, an array with the columns of the tokenizer, or a table, which is returned as it is.

    Raises
    ------
    DataError
        The table cannot be read.
    """
    if isinstance(table, FeatureTable):
        return table
    checkpoint = tokenizer.checkpoint
    family, feature_type = checkpoint.dataset.family, checkpoint.dataset.feature_type
    if isinstance(table, str | os.PathLike):
        return read_features(table, family=family, feature_type=feature_type)
    names = checkpoint.feature_names
    values, _ = feature_values(table, names)
    return read_features(values, family=family, feature_type=feature_type, feature_names=names)
