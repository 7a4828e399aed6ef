"""Evaluated rows against the tokenizer itself."""

import numpy as np

from tests.evaluation.conftest import Case


def test_tokens_and_reconstructions_are_those_of_the_tokenizer(case: Case) -> None:
    raw = case.table[case.rows.positions]
    tokens = case.tokenizer.encode(raw)
    np.testing.assert_array_equal(case.rows.flat_tokens, tokens)
    cleaner = case.tokenizer.cleaner
    for level, decoded in enumerate(case.rows.decoded, 1):
        expected = (case.tokenizer.decode(tokens, levels=level) - cleaner.mean) / cleaner.std
        np.testing.assert_allclose(decoded, expected, atol=1e-6)
    np.testing.assert_allclose(np.sort(case.rows.error), case.tokenizer.checkpoint.validation.errors, rtol=1e-6)


def test_points_of_all_levels_differ_from_those_of_one(case: Case) -> None:
    first, last = case.rows.points(1), case.rows.points(3)
    assert first.shape == last.shape == (len(case.rows), last.shape[1])
    assert not np.allclose(first, last)
    np.testing.assert_array_equal(case.rows.points(2, np.array([3, 5])), case.rows.points(2)[[3, 5]])
