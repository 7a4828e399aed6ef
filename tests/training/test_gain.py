"""Training improves the closed-form initialization on rows that nothing was fitted to or selected on."""

import numpy as np
import pytest

import spinlock as sl
from tests.training.runs import mixed_table

SETTINGS = {"max_bits": 60.0, "target_quality": 1.0, "num_categories_auto": 6}


def cut_off_quality(seed: int, *, epochs: int, warm_start: bool = True) -> float:
    """Quality of 300 rows that were cut off before training."""
    rows = mixed_table()
    order = np.random.default_rng(seed).permutation(len(rows))
    keys = {**SETTINGS, "warm_start": warm_start, "split_seed": seed, "random_seed": seed}
    tokenizer = sl.Tokenizer.fit(rows[order[300:]], keys, epochs=epochs)
    return sl.evaluate(tokenizer, rows[order[:300]], sections=()).metrics["reconstruction_quality"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_training_improves_the_quality_of_test_rows(seed: int) -> None:
    trained = cut_off_quality(seed, epochs=40)
    assert trained > cut_off_quality(seed, epochs=0) + 0.005
    if seed == 0:  # a random initialization trains as well
        assert cut_off_quality(seed, epochs=40, warm_start=False) > trained - 0.01
