"""The section compression against independent computations."""

import math

import numpy as np
import pytest
from scipy.stats import entropy

from spinlock.evaluation.compression.section import by_level, measure_compression
from spinlock.evaluation.reference import half_as_reference
from spinlock.metrics.reconstruction import reconstruction_quality
from tests.evaluation.conftest import Case


def test_rates_follow_from_the_tokens(case: Case) -> None:
    result = measure_compression(case.rows, case.reference, seed=0)
    sizes = [size for sizes in case.tokenizer.codebook_sizes.values() for size in sizes]
    assert result.float32_bits == 32 * 12
    assert result.nominal_bits == pytest.approx(sum(math.log2(size) for size in sizes), abs=1e-9)
    tokens = case.tokenizer.encode(case.table[case.rows.positions])
    counts = [np.unique(column, return_counts=True)[1] for column in tokens.T]
    assert result.entropy_bits == pytest.approx(sum(entropy(each, base=2) for each in counts), abs=1e-6)
    assert result.nominal_ratio == pytest.approx(384 / result.nominal_bits)
    assert result.autoregressive_bits == pytest.approx(sum(result.autoregressive_bits_by_level))
    assert result.autoregressive_bits < result.independent_bits + 0.5


def test_the_curve_of_the_tokens_is_the_quality_of_the_prefixes(case: Case) -> None:
    result = measure_compression(case.rows, case.reference, seed=0)
    curves = {curve.name: curve for curve in result.curves}
    assert set(curves) >= {"tokens", "gaussian", "pca"}
    qualities = [reconstruction_quality(case.rows.z_scores, decoded) for decoded in case.rows.decoded]
    assert curves["tokens"].quality == pytest.approx(qualities, abs=1e-9)
    assert curves["tokens"].bits[-1] == pytest.approx(result.nominal_bits)
    assert list(curves["pca"].bits) == sorted(curves["pca"].bits)


def test_tokens_are_ordered_by_level() -> None:
    tokens = np.arange(6).reshape(1, 2, 3)  # categories a and b: a0 a1 a2 b0 b1 b2
    np.testing.assert_array_equal(by_level(tokens), [[0, 3, 1, 4, 2, 5]])


def test_another_table_is_divided_by_operator(case: Case) -> None:
    reference = half_as_reference(case.rows, seed=0)
    assert not reference.is_training
    assert len(reference.tokens) + len(reference.scored) == len(case.rows)
    assert not set(reference.operators) & set(case.rows.operators[reference.scored])
    result = measure_compression(case.rows, reference, seed=0)
    assert result.fitted_on == "half of the evaluated operators"
    assert result.scored_rows == len(reference.scored)
