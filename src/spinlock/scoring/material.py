"""The material of an evaluation: encoded rows, their labels and parameters, and rows with which they are compared.

Letters: ``N`` operators, ``M`` rows of one operator, ``m`` evaluated rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.checkpoint.provenance import DatasetIdentity
from spinlock.errors import DataError
from spinlock.evaluation.reference import half_as_reference, known_rows, training_as_reference
from spinlock.evaluation.rows import Coder, EvaluatedRows
from spinlock.evaluation.sections import Material, Others
from spinlock.evaluation.stability.halves import halves_of_aggregates, halves_of_realizations
from spinlock.evaluation.stability.section import RealizationHalves
from spinlock.io.column_selection import select_columns
from spinlock.io.feature_table import FeatureTable
from spinlock.io.inputs.feature_group import AGGREGATED
from spinlock.io.names import join_names
from spinlock.io.operator_parameters import read_realizations
from spinlock.model.codec import make_codec
from spinlock.preprocessing.split import rows_of, subsample
from spinlock.scoring.attributes import read_attributes
from spinlock.scoring.tables import read_for
from spinlock.tokenizer import Tokenizer

MAX_OPERATORS = 2000
"""Maximum number of operators, the first ones, whose halves of the realizations are compared."""


@dataclass(frozen=True)
class Request:
    """What is measured in addition to the evaluated rows themselves.

    Attributes
    ----------
    labels
        Names of labels and parameters; None for the first twelve.
    compare
        A second dataset, or None.
    against
        Another tokenizer, or None.
    max_rows
        Maximum number of rows of each dataset.
    """

    labels: Sequence[str] | None
    compare: Any
    against: Tokenizer | None
    max_rows: int


def make_material(
    tokenizer: Tokenizer, table: FeatureTable, full_table: FeatureTable, positions: NDArray[np.int64], request: Request
) -> Material:
    """Encode rows of a table, and what they are compared with.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table, full_table
        The table with the columns of the tokenizer, and with all its columns.
    positions
        Positions [m] of the evaluated rows.
    request
        What else is measured.

    Returns
    -------
    Material

    Raises
    ------
    DataError
        A label is unknown, or a table lacks a column of a tokenizer.
    """
    checkpoint = tokenizer.checkpoint
    seed = checkpoint.config.random_seed
    coder = make_coder(tokenizer)
    rows = encode_rows(coder, table, positions)
    if DatasetIdentity.of(table) == checkpoint.dataset:
        training = encode_rows(coder, table, subsample(checkpoint.split.train, request.max_rows, seed))
        reference = training_as_reference(training, rows)
    else:
        reference = half_as_reference(rows, seed)
    operators = known_rows(rows, reference).operators
    attributes, skipped = read_attributes(table, operators, len(rows), request.labels)
    compared = against = None
    if request.compare is not None:
        second = select_columns(read_for(tokenizer, request.compare), checkpoint.feature_names)
        chosen = subsample(np.arange(len(second.rows)), request.max_rows, seed)
        compared = second.path, encode_rows(coder, second, chosen)
    if request.against is not None:
        other = _columns_of(request.against, full_table)
        against = str(request.against.checkpoint.path), encode_rows(make_coder(request.against), other, positions)
    return Material(
        rows=rows,
        reference=reference,
        validation_errors=checkpoint.validation.errors.numpy(),
        attributes=attributes,
        skipped=skipped,
        seed=seed,
        others=Others(compared, against, _halves(table, rows)),
    )


def _columns_of(against: Tokenizer, table: FeatureTable) -> FeatureTable:
    """Return the table with the columns of another tokenizer."""
    missing = [name for name in against.feature_names if name not in table.names]
    if missing:
        raise DataError(
            f"lacks {len(missing)} columns of the other tokenizer: {join_names(missing)}",
            where=table.path,
            expected=f"the columns of {against.checkpoint.path} (against)",
        )
    return select_columns(table, against.feature_names)


def make_coder(tokenizer: Tokenizer) -> Coder:
    """Return the codec and the cleaning of a tokenizer."""
    return Coder(make_codec(tokenizer.model), tokenizer.cleaner, tokenizer.device)


def encode_rows(coder: Coder, table: FeatureTable, positions: NDArray[np.int64]) -> EvaluatedRows:
    """Encode the rows of a table at ascending positions [m]."""
    return coder.evaluated(table.rows[positions], positions, positions // table.rows_per_operator)


def _halves(table: FeatureTable, rows: EvaluatedRows) -> RealizationHalves | None:
    """Return rows from the halves of the realizations of the evaluated operators, if the table has realizations."""
    operators = np.unique(rows.operators)[:MAX_OPERATORS]
    count = table.rows_per_operator
    if table.feature_type == "per_trajectory" and count > 1:
        values = table.rows[rows_of(operators, count)]
        return halves_of_realizations(values.reshape(len(operators), count, -1))
    if table.feature_type != AGGREGATED or table.path.startswith("<"):
        return None
    found = read_realizations(table.path, table.family, table.num_operators)
    if found is None:
        return None
    names, realizations = found
    return halves_of_aggregates(table.rows[operators], table.names, realizations[operators], names)
