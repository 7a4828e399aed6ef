"""Training improves the closed-form initialization on rows that nothing was fitted to or selected on."""

import numpy as np
import pytest

import spinlock as sl
from tests.training.runs import mixed_table

SETTINGS = {"max_bits": 60.0, "target_quality": 1.0, "num_categories_auto": 6}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_training_improves_the_quality_of_test_rows(seed: int) -> None:
    rows = mixed_table()
    order = np.random.default_rng(seed).permutation(len(rows))
    fitted, test = rows[order[300:]], rows[order[:300]]
    qualities = []
    for epochs in (0, 40):
        tokenizer = sl.Tokenizer.fit(fitted, SETTINGS, epochs=epochs, split_seed=seed, random_seed=seed)
        qualities.append(sl.evaluate(tokenizer, test).metrics["reconstruction_quality"])
    assert qualities[1] > qualities[0] + 0.005
