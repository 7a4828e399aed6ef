"""The closed loop: true operators give the original tokens, and wrong ones do not."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.closed_loop.agreement import Comparison
from spinlock.closed_loop.loop import (
    BEST_DRAW,
    BEST_MODE,
    MEAN_DRAW,
    OTHER_STATES,
    REFERENCE,
    check_same_tokens,
    close_loop,
    num_simulations,
)
from spinlock.closed_loop.originals import Originals
from spinlock.errors import DataError
from spinlock.generation.generate import generate
from spinlock.io.token_layout import TokenColumns
from tests.closed_loop.world import SmallWorld, TrueModel, make_small_world
from tests.generation.settings import small_config

ROWS = list(range(0, 20))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return make_small_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def originals(world: SmallWorld) -> Originals:
    return world.originals(ROWS)


def test_true_operators_reproduce_the_original_tokens(world: SmallWorld, originals: Originals) -> None:
    counted: list[int] = []
    model = TrueModel(world, originals)
    loop = close_loop(model, world.tokenizer.codec, originals, advance=counted.append)  # type: ignore[arg-type]
    assert sum(counted) == num_simulations(len(ROWS))
    assert loop.operators["pde"] + loop.operators["neural"] == len(ROWS)
    pde = loop.agreement["pde"]
    for arm in (BEST_MODE, MEAN_DRAW, BEST_DRAW):
        assert pde[arm].equal_tokens == 1.0
        assert pde[arm].feature_error < 1e-3
        assert all(loop.families[name][arm] == 1.0 for name in ("advection_diffusion", "gray_scott"))
    assert 0.05 < pde[REFERENCE].equal_tokens < 0.95  # other initial states give other tokens
    assert loop.agreement["neural"][BEST_MODE].equal_tokens < 0.95  # new weights
    assert pde[REFERENCE].feature_error > 0.05
    assert pde[OTHER_STATES] == pde[REFERENCE]  # the true operator from the same other states
    assert loop.gap == 0


def test_wrong_operators_agree_less_than_the_reference(world: SmallWorld, originals: Originals) -> None:
    model = TrueModel(world, originals, shifted=True)
    loop = close_loop(model, world.tokenizer.codec, originals)  # type: ignore[arg-type]
    assert loop.agreement["pde"][BEST_MODE].equal_tokens < loop.agreement["pde"][REFERENCE].equal_tokens
    assert loop.agreement["pde"][BEST_MODE].feature_error > loop.agreement["pde"][REFERENCE].feature_error
    assert loop.gap is not None
    assert loop.gap > 0.05


def test_the_seed_changes_the_other_initial_states(world: SmallWorld) -> None:
    originals = world.originals(ROWS[:6])
    model = TrueModel(world, originals)
    first, second = (
        close_loop(model, world.tokenizer.codec, originals, seed=seed)  # type: ignore[arg-type]
        for seed in (0, 1)
    )
    assert first.agreement["pde"][BEST_MODE] == second.agreement["pde"][BEST_MODE]
    assert first.agreement["pde"][REFERENCE] != second.agreement["pde"][REFERENCE]


def test_the_best_draw_is_chosen_for_each_operator() -> None:
    equal = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)  # two operators x two draws
    comparison = Comparison(equal, np.array([1.0, 4.0, 9.0, 16.0]), np.array([True, False, False, True]))
    best = comparison.best_of(2)
    np.testing.assert_array_equal(best.equal, equal[[1, 3]])
    columns = TokenColumns.from_codebook_sizes({"all": (2, 2, 2)})
    agreement = best.agreement(columns)
    assert agreement.equal_tokens == 0.5
    assert agreement.standard_error == pytest.approx(1 / 6)  # the fractions of both operators are 2/3 and 1/3
    assert agreement.by_level == {"level 0": 0.5, "level 1": 0.5, "level 2": 0.5}
    assert agreement.by_category == {"all": 0.5}
    assert agreement.feature_error == pytest.approx(10**0.5)
    assert agreement.diverged == 0.5


def test_another_dataset_is_refused(world: SmallWorld, tmp_path: Path) -> None:
    generate(small_config(num_samples=120, random_seed=7), tmp_path / "other.h5")
    other = SmallWorld(tmp_path / "other.h5", world.tokens, world.tokenizer)
    with pytest.raises(DataError, match="its parameters differ from those of the token file"):
        other.originals(ROWS)
    generate(small_config(num_samples=120, num_steps=4), tmp_path / "shorter.h5")  # the same parameters
    shorter = SmallWorld(tmp_path / "shorter.h5", world.tokens, world.tokenizer).originals(ROWS)
    with pytest.raises(DataError, match="of the tokens of its features equal those of the token file"):
        check_same_tokens(world.tokenizer.codec, shorter)
    generate(small_config(num_samples=20), tmp_path / "small.h5")
    with pytest.raises(DataError, match="has 20 operators"):
        SmallWorld(tmp_path / "small.h5", world.tokens, world.tokenizer).originals([0])
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file.attrs["features_version"] = 1
    with pytest.raises(DataError, match="has features of version 1; expected version"):
        other.originals(ROWS)
