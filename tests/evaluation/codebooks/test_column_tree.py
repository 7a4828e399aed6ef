"""Correlations and tree of the columns: those of a table with many columns show some of them."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import is_valid_linkage

from spinlock.evaluation.codebooks import column_tree
from spinlock.evaluation.codebooks.column_tree import make_column_tree
from spinlock.plots.codebooks import columns
from tests.evaluation.conftest import Case


@pytest.mark.parametrize("limit", [1_500, 7])
def test_correlations_and_means_are_those_of_the_shown_columns(
    case: Case, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(column_tree, "MAX_MATRIX_COLUMNS", limit)
    tree = make_column_tree(case.rows)
    count = len(tree.names)
    assert count > 7
    assert len(tree.shown) == min(limit, count)
    assert (np.diff(tree.shown) > 0).all()
    expected = np.corrcoef(case.rows.z_scores[:, tree.shown].astype(np.float64).T)
    np.testing.assert_allclose(tree.correlation, expected, atol=1e-6)
    assert is_valid_linkage(tree.tree)
    np.testing.assert_array_equal(np.sort(tree.by_category), np.arange(len(tree.shown)))
    own = [
        abs(expected[i, j])
        for i in range(len(tree.shown))
        for j in range(i)
        if tree.categories[tree.shown[i]] == tree.categories[tree.shown[j]]
    ]
    assert tree.within == pytest.approx(np.mean(own) if own else None)
    label = columns._shown(tree)
    assert label == (f"{count} columns" if limit > count else f"7 of {count} columns, drawn at random")
