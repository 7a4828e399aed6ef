"""Use of codebooks against NumPy, and codebooks that carry no bits."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import entropy

from spinlock.evaluation.health import measure_health
from spinlock.evaluation.reference import half_as_reference
from tests.evaluation.conftest import Case


def test_each_codebook_has_the_use_of_its_token_column(case: Case) -> None:
    result = measure_health(case.rows, case.reference)
    known = np.concatenate([case.rows.tokens, case.reference.tokens]).reshape(240, -1)
    sizes = [size for sizes in case.tokenizer.codebook_sizes.values() for size in sizes]
    assert result.num_known_rows == 240
    for t, codebook in enumerate(result.codebooks):
        evaluated = np.bincount(case.rows.flat_tokens[:, t], minlength=sizes[t])
        assert codebook.size == sizes[t]
        assert codebook.utilization == (evaluated > 0).mean()
        assert codebook.perplexity == pytest.approx(2 ** entropy(evaluated, base=2), abs=1e-6)
        counts = np.bincount(known[:, t], minlength=sizes[t])
        assert codebook.entropy_bits == pytest.approx(entropy(counts, base=2), abs=1e-6)
        assert codebook.dead_codes == tuple(np.flatnonzero(counts == 0))


def test_the_levels_add_up_to_the_entropy_of_the_category(case: Case) -> None:
    result = measure_health(case.rows, case.reference)
    known = np.concatenate([case.rows.tokens, case.reference.tokens])
    for c, levels in enumerate(result.level_entropies):
        _, counts = np.unique(known[:, c], axis=0, return_counts=True)
        assert sum(levels.bits) == pytest.approx(entropy(counts, base=2), abs=1e-6)


def test_a_dead_codebook_and_a_determined_one_are_named(case: Case) -> None:
    def injected(tokens: np.ndarray) -> np.ndarray:
        tokens = tokens.copy()
        tokens[:, 1, 2] = 1
        tokens[:, 2, 1] = tokens[:, 2, 0] % 2
        return tokens

    rows = replace(case.rows, tokens=injected(case.rows.tokens))
    result = measure_health(rows, replace(case.reference, tokens=injected(case.reference.tokens)))
    names = case.rows.spec.token_columns()
    assert result.zero_bit_codebooks == (names[5],)
    assert result.determined_codebooks == (names[7],)
    assert result.codebooks[5].dead_codes == (0,)


def test_rows_of_another_table_are_the_only_known_ones(case: Case) -> None:
    assert measure_health(case.rows, half_as_reference(case.rows, 0)).num_known_rows == len(case.rows)
