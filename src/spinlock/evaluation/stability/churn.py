"""The section *churn*: how the tokens of another model differ on the same rows.

The code numbers of two models agree only if one model was resumed from the other. Categories are therefore also
compared as partitions of the rows.

Letters: ``m`` rows, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.neighbors import neighbor_overlap
from spinlock.metrics.reconstruction import reconstruction_quality
from spinlock.metrics.topography import fixed_rows, pair_distances, pearson
from spinlock.model import LEVELS

NEIGHBORS = 10
"""Number of neighbors that are compared."""


@dataclass(frozen=True)
class CategoryChurn:
    """A category and the category of the other model with which it has most columns in common.

    Attributes
    ----------
    category, other
        Names of the two categories.
    common_columns
        Columns that both have, as a fraction of those that at least one has.
    agreement
        Adjusted mutual information of their first tokens: 1 for the same partition of the rows, about 0 for unrelated
        ones.
    """

    category: str
    other: str
    common_columns: float
    agreement: float


@dataclass(frozen=True)
class Churn:
    """Differences between the tokens of two models on the same rows.

    Attributes
    ----------
    model
        Path of the other model.
    quality
        Reconstruction quality of the other model on these rows, in its own z-scored units.
    equal_tokens
        Fraction of equal tokens; None unless both models have the same categories of the same columns. Two models that
        were trained separately have about 1 / K even if they partition the rows in the same way.
    neighbor_overlap
        Fraction of the 10 nearest rows by tokens that are the same for both models; None for at most 10 rows.
    distance_correlation
        Pearson's r between the pairwise distances by tokens.
    categories
        The categories, the least similar ones first.
    """

    model: str
    quality: float
    equal_tokens: float | None
    neighbor_overlap: float | None
    distance_correlation: float
    categories: tuple[CategoryChurn, ...]


def measure_churn(rows: EvaluatedRows, other: EvaluatedRows, model: str) -> Churn:
    """Compare the tokens of two models.

    Parameters
    ----------
    rows
        Evaluated rows.
    other
        The same rows, encoded by the other model.
    model
        Path of the other model.

    Returns
    -------
    Churn
    """
    chosen = fixed_rows(len(rows))
    points = rows.points(LEVELS, chosen), other.points(LEVELS, chosen)
    categories = [_category_churn(rows, other, c) for c in range(rows.spec.num_categories)]
    return Churn(
        model=model,
        quality=reconstruction_quality(other.z_scores, other.decoded[-1]),
        equal_tokens=float((rows.tokens == other.tokens).mean()) if _same_categories(rows, other) else None,
        neighbor_overlap=neighbor_overlap(*points, NEIGHBORS),
        distance_correlation=pearson(pair_distances(points[0]), pair_distances(points[1])),
        categories=tuple(sorted(categories, key=lambda category: category.agreement)),
    )


def _same_categories(rows: EvaluatedRows, other: EvaluatedRows) -> bool:
    """Return whether both models have the same token columns, and the same columns in each category."""
    count = rows.spec.num_categories
    return rows.spec.token_columns() == other.spec.token_columns() and all(
        _columns(rows, c) == _columns(other, c) for c in range(count)
    )


def _category_churn(rows: EvaluatedRows, other: EvaluatedRows, c: int) -> CategoryChurn:
    from sklearn.metrics import adjusted_mutual_info_score  # the import takes seconds

    own = _columns(rows, c)
    overlaps = [
        len(own & columns) / len(own | columns)
        for columns in (_columns(other, d) for d in range(other.spec.num_categories))
    ]
    best = int(np.argmax(overlaps))
    return CategoryChurn(
        category=rows.spec.category_names[c],
        other=other.spec.category_names[best],
        common_columns=overlaps[best],
        agreement=float(adjusted_mutual_info_score(rows.tokens[:, c, 0], other.tokens[:, best, 0])),
    )


def _columns(rows: EvaluatedRows, c: int) -> set[str]:
    """Return the names of the columns of a category."""
    names = rows.coder.cleaner.kept_names
    return {names[j] for j in rows.spec.groups[c]}
