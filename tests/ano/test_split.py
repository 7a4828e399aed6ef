"""The split of the operators."""

import numpy as np

from spinlock.ano.data.split import PARTS, OperatorSplit, split_operators
from spinlock.config import ANOConfig

FAMILY = np.arange(1200) % 3


def split(seen: np.ndarray, **keys: object) -> OperatorSplit:
    return split_operators(FAMILY, seen, ANOConfig(**keys))


def test_every_operator_is_in_one_part_and_each_family_has_its_fraction() -> None:
    parts = split(np.ones(1200, dtype=bool), validation_fraction=0.2)
    everything = np.concatenate([getattr(parts, part) for part in PARTS])
    assert sorted(everything.tolist()) == list(range(1200))
    for part, fraction in zip(PARTS, (0.6, 0.2, 0.1, 0.1), strict=True):
        counts = np.bincount(FAMILY[getattr(parts, part)])
        np.testing.assert_allclose(counts, 400 * fraction, atol=1)


def test_operators_that_the_tokenizer_has_not_seen_calibrate_and_evaluate() -> None:
    seen = np.random.default_rng(0).random(1200) > 0.1
    parts = split(seen)
    assert seen[parts.train].all()
    assert seen[parts.validation].all()
    unseen = [int((~seen[getattr(parts, part)]).sum()) for part in ("calibration", "test")]
    assert sum(unseen) == (~seen).sum()
    assert abs(unseen[0] - unseen[1]) <= 6


def test_the_split_does_not_depend_on_roles_if_the_tokenizer_has_seen_no_operator() -> None:
    new, all_seen = split(np.zeros(1200, dtype=bool)), split(np.ones(1200, dtype=bool))
    for part in PARTS:
        np.testing.assert_array_equal(getattr(new, part), getattr(all_seen, part))


def test_the_split_depends_on_its_seed_only() -> None:
    seen = np.ones(1200, dtype=bool)
    np.testing.assert_array_equal(split(seen).test, split(seen, random_seed=1).test)
    assert set(split(seen).test.tolist()) != set(split(seen, split_seed=1).test.tolist())
