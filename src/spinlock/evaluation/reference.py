"""Rows on which references are fitted: the Gaussian reference, PCA codes, faiss, and the model of the tokens.

They are training rows if the table is the training table. A checkpoint has no training rows, so that for any other
table the references are fitted on one half of the evaluated operators and measured on the other half.

Letters: ``n`` reference rows, ``m`` scored rows, ``U`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.rows import EvaluatedRows, Rows, Tokens


@dataclass(frozen=True, eq=False)
class ReferenceRows:
    """Rows on which references are fitted, and rows on which they are measured.

    Attributes
    ----------
    z_scores, tokens, operators
        Reference rows [n, U], z-scored and clipped, their tokens [n, C, L], and the operator [n] of each row, or its
        position among the evaluated rows if all of them belong to one operator.
    scored
        Indices [m] of the evaluated rows on which references are measured.
    origin
        ``training rows`` or ``half of the evaluated operators``.
    """

    z_scores: Rows
    tokens: Tokens
    operators: Tokens
    scored: NDArray[np.int64]
    origin: str

    @property
    def is_training(self) -> bool:
        """Whether the reference rows are training rows."""
        return self.origin == TRAINING


@dataclass(frozen=True, eq=False)
class KnownRows:
    """The evaluated rows, followed by a sample of the training rows if the table is the training table.

    Entropies and mutual information of tokens are measured on all of them, because their bias decreases with the number
    of rows.

    Attributes
    ----------
    category_names
        Names of the C categories.
    tokens, operators
        Tokens [n, C, L] and operators [n].
    """

    category_names: tuple[str, ...]
    tokens: Tokens
    operators: Tokens

    def __len__(self) -> int:
        return len(self.tokens)


def known_rows(rows: EvaluatedRows, reference: ReferenceRows) -> KnownRows:
    """Return the evaluated rows, and the training rows if there are any."""
    names = rows.spec.category_names
    if not reference.is_training:
        return KnownRows(names, rows.tokens, rows.operators)
    tokens = np.concatenate([rows.tokens, reference.tokens])
    return KnownRows(names, tokens, np.concatenate([rows.operators, reference.operators]))


TRAINING, HALF = "training rows", "half of the evaluated operators"


def training_as_reference(train: EvaluatedRows, rows: EvaluatedRows) -> ReferenceRows:
    """Return training rows as reference rows, for measurements on all evaluated rows."""
    return ReferenceRows(train.z_scores, train.tokens, train.operators, np.arange(len(rows)), TRAINING)


def half_as_reference(rows: EvaluatedRows, seed: int) -> ReferenceRows:
    """Return the rows of a random half of the operators, or half of the rows if there is one operator."""
    operators = np.unique(rows.operators)
    groups = rows.operators if len(operators) > 1 else np.arange(len(rows))
    distinct = np.unique(groups)
    fitted = np.random.default_rng(seed).permutation(distinct)[: len(distinct) // 2]
    is_fitted = np.isin(groups, fitted)
    return ReferenceRows(
        rows.z_scores[is_fitted],
        rows.tokens[is_fitted],
        groups[is_fitted],
        np.flatnonzero(~is_fitted),
        HALF,
    )
