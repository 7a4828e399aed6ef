"""Correlations of the columns, their Ward tree, and the order in which categories are blocks.

A table of more than 1,500 columns has no matrix of all pairs of columns. Its correlations and its tree are those of
1,500 random columns.

Letters: ``U`` kept columns, ``S`` shown columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list

from spinlock.categories.clustering import ward_tree
from spinlock.evaluation.codebooks.row_maps import Floats, Integers
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.correlation import MAX_MATRIX_COLUMNS, correlation_matrix

SEED = 0
"""Seed of the choice of the shown columns."""


@dataclass(frozen=True, eq=False)
class ColumnTree:
    """Similarity of the columns.

    Attributes
    ----------
    names
        Names [U] of the columns.
    category_names, categories
        Names of the categories, and the category [U] of each column.
    shown
        Indices [S] of the columns in the correlations and in the tree: all U columns, or 1,500 of them.
    correlation
        Pearson correlations [S, S] of the shown columns, z-scored and clipped.
    tree
        Ward tree [S - 1, 4] of the shown columns in the format of SciPy, from distances sqrt(2 (1 - r^2)).
    leaves
        Order [S] of the leaves of the tree, as indices into ``shown``.
    """

    names: tuple[str, ...]
    category_names: tuple[str, ...]
    categories: Integers
    shown: Integers
    correlation: Floats
    tree: Floats
    leaves: Integers

    @property
    def shown_categories(self) -> Integers:
        """The category [S] of each shown column."""
        return self.categories[self.shown]

    @property
    def by_category(self) -> Integers:
        """Indices [S] into ``shown``, ordered by category, and within a category in the order of the leaves."""
        return self.leaves[np.argsort(self.shown_categories[self.leaves], kind="stable")]

    @property
    def within(self) -> float | None:
        """Mean absolute correlation of two different shown columns of one category; None if there are none."""
        return self._mean(self.shown_categories[:, None] == self.shown_categories)

    @property
    def between(self) -> float | None:
        """Mean absolute correlation of two shown columns of different categories; None for one category."""
        return self._mean(self.shown_categories[:, None] != self.shown_categories)

    def _mean(self, pairs: NDArray[np.bool_]) -> float | None:
        mask = pairs & ~np.eye(len(self.shown), dtype=bool)
        return float(np.abs(self.correlation[mask]).mean()) if mask.any() else None


def make_column_tree(rows: EvaluatedRows) -> ColumnTree:
    """Return the similarity of the columns of rows."""
    columns = rows.z_scores.shape[1]
    count = min(columns, MAX_MATRIX_COLUMNS)
    shown = np.sort(np.random.default_rng(SEED).choice(columns, count, replace=False))
    correlation = correlation_matrix(rows.z_scores[:, shown].astype(np.float64))
    tree = ward_tree(correlation)
    categories = np.empty(columns, dtype=np.int64)
    for c, group in enumerate(rows.spec.groups):
        categories[list(group)] = c
    return ColumnTree(
        names=rows.coder.cleaner.kept_names,
        category_names=rows.spec.category_names,
        categories=categories,
        shown=shown,
        correlation=correlation,
        tree=tree,
        leaves=np.asarray(leaves_list(tree), dtype=np.int64),
    )
