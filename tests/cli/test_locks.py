"""Commands whose output another process writes are refused, and name this process."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from spinlock.checkpoint.directory import RunDirectory
from spinlock.config import dump_config
from spinlock.io.atomic import DirectoryLock, replacing
from tests.cli.workspace import Workspace
from tests.generation.settings import small_config

MODEL = ("--vqvae-model", "run/best_model.pt")


def file_lock(path: Path) -> AbstractContextManager[Any]:
    return replacing(path)


COMMANDS = {
    "train": (("train-vqvae", "--config", "config.json", "--output", "new"), DirectoryLock, "new"),
    "train with another directory of last.pt": (
        ("train-vqvae", "--config", "config.json", "--output", "new", "--set", "checkpoint_dir=states"),
        DirectoryLock,
        "states",
    ),
    "resume": (
        ("train-vqvae", "--config", "config.json", "--resume-from", "run", "--epochs", "2"),
        DirectoryLock,
        "run",
    ),
    "train and replace": (("train-vqvae", "--config", "config.json", "--overwrite"), DirectoryLock, "run"),
    "generate": (("generate", "--config", "small.yaml", "--output", "new.h5"), DirectoryLock, "new.h5.parts"),
    "generate and replace": (
        ("generate", "--config", "small.yaml", "--output", "new.h5", "--overwrite"),
        DirectoryLock,
        "new.h5.parts",
    ),
    "encode": (("encode-to-tokens", "--dataset", "table.h5", *MODEL, "--output", "new.h5"), file_lock, "new.h5"),
    "decode": (("decode-tokens", "--tokens", "tokens.h5", *MODEL, "--output", "new.h5"), file_lock, "new.h5"),
    "discover": (("discover-categories", "--config", "config.json", "--output", "new.json"), file_lock, "new.json"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_that_another_process_writes_is_refused(workspace: Workspace, name: str) -> None:
    command, lock, path = COMMANDS[name]
    workspace.text("small.yaml", dump_config(small_config(num_samples=4)))
    with lock(workspace.path / path) as temporary:
        workspace.attempt(*command).check_refused(f": is being written by process {os.getpid()} (", max_lines=4)
        if isinstance(temporary, Path):
            temporary.write_text("1")
    assert not list(workspace.path.rglob(".spinlock-*"))


ENCODE = ("encode-to-tokens", "--dataset", "table.h5", "--vqvae-model", "model.pt", "--overwrite", "--output")
DISCOVER = ("discover-categories", "--config", "config.json", "--overwrite", "--output")


@pytest.mark.parametrize("command", [ENCODE, DISCOVER], ids=["encode", "discover"])
def test_the_files_of_a_running_training_are_refused_as_outputs(workspace: Workspace, command: tuple[str, ...]) -> None:
    (workspace.path / "run/best_model.pt").rename(workspace.path / "model.pt")
    (workspace.path / "ck").mkdir()
    for states in ("ck", "run/ck"):
        with RunDirectory(workspace.path / "run", workspace.path / states).locked():
            for name in ("run/best_model.pt", f"{states}/last.pt"):
                holder = f"{name}: is being written by process {os.getpid()} ("
                workspace.attempt(*command, name).check_refused(holder, max_lines=4)
            assert workspace.run(*command, "run/other").returncode == 0
