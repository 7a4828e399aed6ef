"""Bootstrap stability: one for planted blocks, at the level of chance for noise."""

import numpy as np
import pytest

from spinlock.categories.candidates import DiscoveryLimits
from spinlock.categories.stability import bootstrap_stability, jaccard_index
from tests.categories.tables import planted_labels, planted_rows

LIMITS = DiscoveryLimits(target=0.25, min_features=3, max_clusters=50)


def test_planted_blocks_are_recovered_in_every_bootstrap(rng: np.random.Generator) -> None:
    sizes = (4, 5, 6)
    rows = planted_rows(rng, sizes)
    stability = bootstrap_stability(rows, planted_labels(sizes), "projector", LIMITS, draws=4, rng=rng)
    assert stability.adjusted_rand.tolist() == [1.0] * 4
    np.testing.assert_allclose(stability.column_agreement, 1.0)


def test_a_partition_of_noise_is_not_stable(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((200, 15))
    stability = bootstrap_stability(rows, planted_labels((5, 5, 5)), "absolute", LIMITS, draws=4, rng=rng)
    assert stability.adjusted_rand.mean() < 0.3
    assert stability.column_agreement.max() < 0.9


def test_a_column_in_the_wrong_block_has_the_lowest_agreement(rng: np.random.Generator) -> None:
    sizes = (4, 5, 6)
    labels = planted_labels(sizes)
    labels[0] = 2
    stability = bootstrap_stability(planted_rows(rng, sizes), labels, "projector", LIMITS, draws=3, rng=rng)
    assert stability.column_agreement.argmin() == 0
    # Its category has three other columns in the bootstraps and six here. Only the column itself is in both.
    assert stability.column_agreement[0] == pytest.approx(1 / 10)


def test_the_jaccard_index_equals_its_definition(rng: np.random.Generator) -> None:
    first, second = rng.integers(0, 5, 60), rng.integers(0, 7, 60)
    one, other = first[:, None] == first, second[:, None] == second
    np.testing.assert_array_equal(jaccard_index(first, second), (one & other).sum(1) / (one | other).sum(1))
