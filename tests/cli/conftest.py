"""Fixtures: a trained run, made once, and copies of it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.workspace import Workspace


@pytest.fixture(scope="session", autouse=True)
def _keep_byte_code(pytestconfig: pytest.Config) -> Iterator[None]:
    """Keep byte code even if Python is set not to write it: each process would compile torch for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        cache = getattr(pytestconfig, "cache", None)  # there is none with -p no:cacheprovider
        if sys.dont_write_bytecode and cache is not None:
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(cache.mkdir("bytecode")))
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a trained run and its tokens. Tests must not change it."""
    workspace = Workspace.make(tmp_path_factory.mktemp("trained"))
    workspace.run_checked("train-vqvae", "--config", "config.json")
    model = ("--vqvae-model", "run/best_model.pt")
    workspace.run_checked("encode-to-tokens", "--dataset", "table.h5", *model, "--output", "tokens.h5")
    return workspace


@pytest.fixture
def workspace(trained: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the trained workspace."""
    shutil.copytree(trained.path, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)
