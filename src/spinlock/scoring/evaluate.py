"""Evaluation of a tokenizer on a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.arguments import checked_integer
from spinlock.checkpoint.provenance import DatasetIdentity
from spinlock.errors import DataError
from spinlock.evaluation.best_epoch import best_epoch
from spinlock.evaluation.evaluation import Evaluation
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.evaluation.other_table import other_table_metrics
from spinlock.evaluation.report import Report, make_other_report, make_report
from spinlock.evaluation.sections import SECTIONS, measure
from spinlock.io.column_selection import select_columns
from spinlock.io.feature_table import FeatureTable
from spinlock.model.codec import make_codec
from spinlock.preprocessing.split import subsample
from spinlock.preprocessing.training_data import make_training_data
from spinlock.runtime.isolation import isolated
from spinlock.scoring.material import Request, make_material
from spinlock.scoring.setup import make_setup
from spinlock.scoring.tables import read_for
from spinlock.tokenizer import Tokenizer

MAX_ROWS = 20_000
"""Default maximum number of rows of another table that are measured; the standard error of a fraction is then below
0.004."""


@isolated()
def evaluate(
    tokenizer: Tokenizer,
    table: FeatureTable | Any,
    *,
    labels: Sequence[str] | None = None,
    compare: Any = None,
    against: Tokenizer | None = None,
    max_rows: int = MAX_ROWS,
    sections: Sequence[str] = SECTIONS,
    advance: Callable[[str], None] = lambda section: None,
) -> Evaluation:
    """Measure a tokenizer on a table.

    On the table on which the tokenizer was trained, the validation rows are measured, as at the end of training. All
    rows of any other table are measured, or a random sample of ``max_rows`` of them. The tokenizer is not fitted on
    them: metrics of training rows are those of the training run, and metrics that compare training rows with evaluated
    rows are None. Other codes for comparison are fitted on half of the operators of another table, and probes are
    cross-validated.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        A table of :func:`spinlock.read_features`, the path of a dataset, or a data frame, whose columns are matched by
        name; or an array or tensor with the columns ``tokenizer.feature_names``.
    labels
        Names of labels and parameters of the operators; by default the first twelve that are found.
    compare
        A second table, whose rows are compared with the evaluated ones.
    against
        Another tokenizer, whose tokens of the evaluated rows are compared.
    max_rows
        Maximum number of rows on which the metrics of another table, and the sections of any table, are measured.
    sections
        Names of the sections to measure, of :data:`spinlock.evaluation.sections.SECTIONS`; by default all of them.
    advance
        Called with the name of each step before it is done: ``targets``, ``rows``, and the names of the sections.

    Returns
    -------
    Evaluation
        The report (``metrics``, ``targets``, ``advice``; ``rows`` and ``num_rows`` say which rows were measured) with
        an attribute for each section.

    Raises
    ------
    DataError
        The table cannot be read, has fewer than two rows or lacks a column of the model, or another argument is wrong.
    """
    _check(sections)
    request = Request(labels, compare, against, checked_integer("max_rows", max_rows, minimum=2))
    return _evaluated(tokenizer, read_for(tokenizer, table), request, sections, advance)


def _check(sections: Sequence[str]) -> None:
    """Raise an error unless all sections exist."""
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise DataError(f"sections contains {unknown[0]!r}", expected=f"some of {', '.join(SECTIONS)}")


def _evaluated(
    tokenizer: Tokenizer,
    full_table: FeatureTable,
    request: Request,
    sections: Sequence[str],
    advance: Callable[[str], None],
) -> Evaluation:
    """Measure a tokenizer on a table; the arguments are checked."""
    checkpoint = tokenizer.checkpoint
    table = select_columns(full_table, checkpoint.feature_names)
    advance("targets")
    same_table = DatasetIdentity.of(table) == checkpoint.dataset
    if same_table:
        report, positions = _training_report(tokenizer, table)
    else:
        report, positions = _other_report(tokenizer, table, request.max_rows)
    advance("rows")
    chosen = subsample(positions, request.max_rows, checkpoint.config.random_seed)
    material = make_material(tokenizer, table, full_table, chosen, request)
    return Evaluation(
        **{name: getattr(report, name) for name in Report.__dataclass_fields__},
        setup=make_setup(
            tokenizer,
            table,
            len(chosen),
            len(positions) if same_table else len(table.rows),
            ("scikit-learn", "faiss-cpu", "matplotlib"),
        ),
        best_epoch=best_epoch(checkpoint),
        **measure(material, sections, advance),
    )


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
        count = "1 row" if len(table.rows) == 1 else "no row"
        raise DataError(f"the table has {count}", where=table.path, expected="2 or more rows")
    checkpoint = tokenizer.checkpoint
    positions = subsample(np.arange(len(table.rows)), max_rows, checkpoint.config.random_seed)
    raw = table.rows[positions]
    rows = torch.from_numpy(checkpoint.cleaner.transform(raw).values).to(tokenizer.device)
    codec, cleaner = make_codec(tokenizer.model), checkpoint.cleaner
    metrics = other_table_metrics(codec, cleaner, rows, raw, positions, checkpoint.metrics)
    kind = "all" if len(positions) == len(table.rows) else "sample"
    return make_other_report(checkpoint, metrics, num_rows=len(positions), rows=kind), positions
