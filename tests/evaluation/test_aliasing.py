"""Rows with the same tokens, on tokens that are set by hand."""

from dataclasses import replace

import numpy as np
import pytest

from spinlock.evaluation.aliasing import measure_aliasing, unique_fraction
from tests.evaluation.conftest import Case


def test_the_fraction_of_unique_rows_is_counted() -> None:
    tokens = np.array([[[0, 1]], [[0, 1]], [[0, 2]], [[1, 1]]])
    assert unique_fraction(tokens) == 0.5
    assert unique_fraction(tokens[..., :1]) == 0.25


def test_uniqueness_by_level_and_category(case: Case) -> None:
    result = measure_aliasing(case.rows, seed=0)
    for level in range(3):
        _, counts = np.unique(
            case.rows.tokens[..., : level + 1].reshape(len(case.rows), -1), axis=0, return_counts=True
        )
        assert result.unique_by_level[level] == pytest.approx((counts == 1).sum() / len(case.rows))
    assert list(result.unique_by_level) == sorted(result.unique_by_level)
    assert list(result.unique_by_category) == list(case.rows.spec.category_names)
    assert result.unique_rows == 1
    assert result.num_copied_rows == 0


def test_different_rows_with_the_same_tokens_are_listed_with_their_distance(case: Case) -> None:
    tokens, z_scores = case.rows.tokens.copy(), case.rows.z_scores.copy()
    tokens[:] = np.arange(len(tokens))[:, None, None]  # all rows differ
    tokens[[4, 9]] = 0  # share all tokens with row 0
    z_scores[9] = z_scores[0]  # a copy
    result = measure_aliasing(replace(case.rows, tokens=tokens, z_scores=z_scores), seed=0)
    assert result.num_copied_rows == 2
    assert (result.num_groups, result.num_aliased_rows) == (1, 3)
    group = result.groups[0]
    assert group.rows == tuple(case.rows.positions[[0, 4, 9]])
    distance = np.sqrt(np.square(z_scores[0].astype(float) - z_scores[4]).mean())
    assert group.largest_distance == pytest.approx(distance, abs=1e-6)


def test_copies_alone_are_not_aliased(case: Case) -> None:
    rows = replace(
        case.rows,
        tokens=np.repeat(case.rows.tokens[:1], len(case.rows), 0),
        z_scores=np.repeat(case.rows.z_scores[:1], len(case.rows), 0),
    )
    result = measure_aliasing(rows, seed=0)
    assert (result.num_groups, result.num_copied_rows, result.unique_rows) == (0, len(rows), 0)
    assert result.typical_distance == 0
