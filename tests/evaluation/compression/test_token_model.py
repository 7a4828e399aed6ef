"""The autoregressive rate of tokens whose dependence is known."""

import numpy as np
import pytest

from spinlock.evaluation.compression.token_model import autoregressive_code_length
from spinlock.metrics.code_length import independent_code_length

SIZES = np.array([4, 4, 2])


def rate(tokens: np.ndarray) -> np.ndarray:
    return autoregressive_code_length(tokens[:1200], tokens[1200:1500], tokens[1500:], SIZES, seed=0)


def test_a_copied_token_costs_almost_nothing(rng: np.random.Generator) -> None:
    first = rng.integers(4, size=2000)
    bits = rate(np.stack([first, first, rng.integers(2, size=2000)], axis=1))
    assert bits[0] == pytest.approx(2, abs=0.02)
    assert bits[1] < 0.1
    assert bits[2] == pytest.approx(1, abs=0.03)


def test_a_noisy_copy_has_the_conditional_entropy(rng: np.random.Generator) -> None:
    first = rng.integers(4, size=2000)
    flipped = rng.random(2000) < 0.25
    second = np.where(flipped, (first + rng.integers(1, 4, size=2000)) % 4, first)
    bits = rate(np.stack([first, second, np.zeros(2000, dtype=np.int64)], axis=1))
    conditional = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25 / 3))
    assert bits[1] == pytest.approx(conditional, abs=0.1)
    assert bits[2] < 0.01


def test_independent_tokens_are_not_coded_worse_than_independently(rng: np.random.Generator) -> None:
    tokens = np.stack([rng.choice(size, size=2000) for size in SIZES], axis=1)
    independent = independent_code_length(tokens[:1500], tokens[1500:], SIZES)
    assert rate(tokens).sum() < independent.sum() + 0.05


def test_the_same_seed_gives_the_same_rate(rng: np.random.Generator) -> None:
    tokens = np.stack([rng.integers(size, size=2000) for size in SIZES], axis=1)
    np.testing.assert_array_equal(rate(tokens), rate(tokens))


def test_very_few_rows_give_a_finite_rate() -> None:
    tokens = np.array([[0, 1, 1]])
    bits = autoregressive_code_length(tokens, tokens[:0], np.array([[3, 0, 0]]), SIZES, seed=0)
    assert np.isfinite(bits).all()
