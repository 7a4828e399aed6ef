"""Correlations of the columns, their Ward tree, and the order in which categories are blocks.

Letters: ``U`` kept columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list

from spinlock.categories.clustering import ward_tree
from spinlock.evaluation.codebooks.row_maps import Floats, Integers
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.correlation import correlation_matrix


@dataclass(frozen=True, eq=False)
class ColumnTree:
    """Similarity of the columns.

    Attributes
    ----------
    names
        Names [U] of the columns.
    category_names, categories
        Names of the categories, and the category [U] of each column.
    correlation
        Pearson correlations [U, U] of the z-scored, clipped columns.
    tree
        Ward tree [U - 1, 4] of the columns in the format of SciPy, from distances sqrt(2 (1 - r^2)).
    leaves
        The columns [U] in the order of the leaves of the tree.
    """

    names: tuple[str, ...]
    category_names: tuple[str, ...]
    categories: Integers
    correlation: Floats
    tree: Floats
    leaves: Integers

    @property
    def by_category(self) -> Integers:
        """The columns [U] ordered by category, and within a category in the order of the leaves."""
        return self.leaves[np.argsort(self.categories[self.leaves], kind="stable")]

    @property
    def within(self) -> float | None:
        """Mean absolute correlation of two different columns of one category; None if there are none."""
        return self._mean(self.categories[:, None] == self.categories)

    @property
    def between(self) -> float | None:
        """Mean absolute correlation of two columns of different categories; None for one category."""
        return self._mean(self.categories[:, None] != self.categories)

    def _mean(self, pairs: NDArray[np.bool_]) -> float | None:
        mask = pairs & ~np.eye(len(self.names), dtype=bool)
        return float(np.abs(self.correlation[mask]).mean()) if mask.any() else None


def make_column_tree(rows: EvaluatedRows) -> ColumnTree:
    """Return the similarity of the columns of rows."""
    correlation = correlation_matrix(rows.z_scores.astype(np.float64))
    tree = ward_tree(correlation)
    categories = np.empty(len(correlation), dtype=np.int64)
    for c, group in enumerate(rows.spec.groups):
        categories[list(group)] = c
    return ColumnTree(
        names=rows.coder.cleaner.kept_names,
        category_names=rows.spec.category_names,
        categories=categories,
        correlation=correlation,
        tree=tree,
        leaves=np.asarray(leaves_list(tree), dtype=np.int64),
    )
