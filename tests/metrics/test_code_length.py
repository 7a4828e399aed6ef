"""The code length of independent codebooks against closed forms."""

import numpy as np
import pytest

from spinlock.metrics.code_length import independent_code_length, log_frequencies


def test_frequencies_are_those_of_krichevsky_and_trofimov() -> None:
    tokens, sizes = np.array([[0], [0], [1]]), np.array([3])
    np.testing.assert_allclose(log_frequencies(tokens, sizes)[0], np.log2(np.array([2.5, 1.5, 0.5]) / 4.5), rtol=1e-12)


def test_equally_frequent_codes_have_log2_k_bits() -> None:
    tokens = np.stack([np.arange(12) % 4, np.arange(12) % 3], axis=1)
    lengths = independent_code_length(tokens, tokens, np.array([4, 3]))
    np.testing.assert_allclose(lengths, [2, np.log2(3)], rtol=1e-12)


def test_the_code_length_of_many_rows_is_their_entropy(rng: np.random.Generator) -> None:
    tokens = rng.choice(3, p=[0.7, 0.2, 0.1], size=(200_000, 1))
    probabilities = np.bincount(tokens[:, 0]) / len(tokens)
    entropy = -(probabilities * np.log2(probabilities)).sum()
    estimated = (200_000 * probabilities + 0.5) / (200_000 + 1.5)
    length = independent_code_length(tokens, tokens, np.array([3]))[0]
    assert length == pytest.approx(-(probabilities * np.log2(estimated)).sum(), abs=1e-12)
    assert length == pytest.approx(entropy, abs=1e-9)


def test_a_code_without_rows_has_a_finite_length() -> None:
    lengths = independent_code_length(np.zeros((9, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64), np.array([2]))
    assert lengths[0] == pytest.approx(-np.log2(0.5 / 10))
