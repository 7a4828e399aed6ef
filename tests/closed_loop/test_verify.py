"""The option --verify: which operators are compared, the files, and wrong input before the work."""

import json
from pathlib import Path

import numpy as np
import pytest

import spinlock as sl
from spinlock.closed_loop.verify import Verification
from spinlock.errors import DataError
from spinlock.generation.generate import generate
from tests.ano.world import SMALL
from tests.cli.workspace import Workspace
from tests.closed_loop.world import SmallWorld, make_small_world
from tests.generation.settings import small_config

VERIFY = ("--verify", "4", "--dataset", "d.h5", "--vqvae-model", "tokenizer.pt")
MODEL = ("--ano-model", "ano.pt", "--tokens", "tokens.h5")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    world = make_small_world(tmp_path_factory.mktemp("verify"))
    world.tokenizer.save(world.dataset.with_name("tokenizer.pt"))
    settings = SMALL | {"members": 1, "epochs": 1, "fourier_features": 16}
    sl.ANO.fit(world.tokens, settings).save(world.dataset.with_name("ano.pt"))
    return world


@pytest.fixture(scope="module")
def space(world: SmallWorld) -> Workspace:
    return Workspace(world.dataset.parent)


def test_only_operators_on_which_nothing_was_fitted_are_compared(world: SmallWorld, space: Workspace) -> None:
    ano = sl.ANO.load(space.path / "ano.pt")
    found = Verification.prepare(ano, world.tokens, world.dataset, world.tokenizer, 1000)
    np.testing.assert_array_equal(found.originals.rows, ano.checkpoint.split.test)
    assert found.num_simulations == 11 * len(ano.checkpoint.split.test)
    few = Verification.prepare(ano, world.tokens, world.dataset, world.tokenizer, 3, seed=1).originals.rows
    assert len(few) == 3
    assert set(few.tolist()) < set(ano.checkpoint.split.test.tolist())


def test_tokens_of_another_tokenizer_are_refused(world: SmallWorld, space: Workspace) -> None:
    ano = sl.ANO.load(space.path / "ano.pt")
    other = sl.Tokenizer.fit(world.dataset, epochs=0, batch_size=64, num_categories_auto=2)
    with pytest.raises(DataError, match="contains tokens of the tokenizer"):
        Verification.prepare(ano, world.tokens, world.dataset, other, 3)


def test_both_commands_write_the_closed_loop(space: Workspace) -> None:
    result = space.run_checked("predict-operators", *MODEL, "--output", "operators.h5", *VERIFY)
    assert "closed loop of " in result.stdout
    loop = json.loads((space.path / "operators.closed_loop.json").read_text())
    assert sum(loop["operators"].values()) == 4
    space.run_checked("evaluate-ano", *MODEL, "--output", "report", *VERIFY)
    metrics = json.loads((space.path / "report" / "metrics.json").read_text())
    assert metrics["closed_loop"] == loop


def test_wrong_input_is_refused_before_the_work(space: Workspace, tmp_path: Path) -> None:
    generate(small_config(num_samples=120, random_seed=7), space.path / "other.h5")
    other = (*VERIFY[:3], "other.h5", *VERIFY[4:])
    space.attempt("predict-operators", *MODEL, "--output", "new.h5", *other).check_refused("its parameters differ")
    space.attempt("evaluate-ano", *MODEL, "--output", "new", *other).check_refused("its parameters differ")
    words = "--verify needs --dataset and --vqvae-model"
    space.attempt("predict-operators", *MODEL, "--output", "new.h5", *VERIFY[:4]).check_refused(words)
