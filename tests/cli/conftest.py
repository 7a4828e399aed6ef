"""A trained run, made once, and copies of it to work in."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.workplace import Workplace


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(pytestconfig: pytest.Config) -> Iterator[None]:
    """Keep byte code where Python is set not to, because each of the many processes would compile torch for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode and pytestconfig.cache is not None:
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(pytestconfig.cache.mkdir("bytecode")))
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace with a trained run and its tokens; read only."""
    place = Workplace.make(tmp_path_factory.mktemp("trained"))
    place.done("train-vqvae", "--config", "config.json")
    model = ("--vqvae-model", "run/best_model.pt")
    place.done("encode-to-tokens", "--dataset", "table.h5", *model, "--output", "tokens.h5")
    return place


@pytest.fixture
def place(trained: Workplace, tmp_path: Path) -> Workplace:
    """A copy of the trained workplace."""
    shutil.copytree(trained.path, tmp_path, dirs_exist_ok=True)
    return Workplace(tmp_path)
