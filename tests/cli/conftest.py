"""Fixtures: a trained run, made once, and copies of it."""

import shutil
from pathlib import Path

import pytest

from tests.cli.workspace import Workspace


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
