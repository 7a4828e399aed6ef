"""Codebook use against a small example and the entropy of SciPy."""

import numpy as np
import pytest
from scipy.stats import entropy

from spinlock.metrics.codebook import codebook_use, expected_use


def test_codebook_use_of_a_small_example() -> None:
    tokens = np.array([[0, 0], [1, 0], [0, 0], [1, 0]])
    use = codebook_use(tokens, np.array([2, 4]))
    assert use.per_codebook == (1.0, 0.25)
    assert use.utilization == pytest.approx(0.625)
    assert use.minimum == 0.25
    assert use.entropy_bits == pytest.approx(1.0)
    assert use.perplexity_ratio == pytest.approx((2 / 2 + 1 / 4) / 2)


def test_entropy_and_perplexity_agree_with_scipy(rng: np.random.Generator) -> None:
    sizes = np.array([3, 17, 40])
    tokens = np.stack([rng.binomial(size - 1, 0.3, size=200) for size in sizes], axis=1)
    bits = [entropy(np.bincount(column), base=2) for column in tokens.T]
    use = codebook_use(tokens, sizes)
    assert use.entropy_bits == pytest.approx(sum(bits))
    assert use.perplexity_ratio == pytest.approx(np.mean([2**b / k for b, k in zip(bits, sizes, strict=True)]))
    assert use.utilization == pytest.approx(
        np.mean([len(set(column.tolist())) / k for column, k in zip(tokens.T, sizes, strict=True)])
    )


def test_fewer_rows_than_codes_limit_the_utilization() -> None:
    use = codebook_use(np.arange(5)[:, None], np.array([20]))
    assert use.utilization == use.limit == 0.25
    assert use.expected == pytest.approx(1 - 0.95**5)


def test_expected_use_equals_the_utilization_of_uniformly_drawn_codes(rng: np.random.Generator) -> None:
    size, rows = 64, 100
    used_fractions = [len(np.unique(rng.integers(size, size=rows))) / size for _ in range(400)]
    assert expected_use(np.array([size]), rows)[0] == pytest.approx(np.mean(used_fractions), abs=0.01)


def test_a_codebook_of_one_code_is_always_used() -> None:
    use = codebook_use(np.zeros((3, 1), dtype=np.int64), np.array([1]))
    assert (use.utilization, use.expected, use.limit, use.entropy_bits) == (1.0, 1.0, 1.0, 0.0)
