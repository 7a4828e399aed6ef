"""The commands ``generate`` and ``extract-features`` in processes: kills, several processes, wrong input."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spinlock.config import dump_config
from spinlock.features.extract import VERSION
from tests.cli.workspace import Workspace, printed_command
from tests.generation.settings import small_config
from tests.generation.test_generate import dataset_bytes
from tests.io.rollout_files import write_rollouts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with a configuration and the dataset of an uninterrupted run."""
    path = tmp_path_factory.mktemp("generate")
    (path / "small.yaml").write_text(dump_config(small_config(num_samples=100, save_fields=20)))
    workspace = Workspace(path)
    result = workspace.run_checked("generate", "--config", "small.yaml", "--output", "whole.h5")
    assert "generated 100 operators, 100 of them in this run" in result.stdout
    assert "sample: centered discrepancy at most" in result.stdout
    return workspace


def test_a_killed_generation_resumes_to_an_identical_dataset(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "spinlock", "generate", "--config", "small.yaml", "--output", "killed.h5"]
    process = subprocess.Popen([*command, "--batch-size", "1"], cwd=workspace.path, stderr=subprocess.DEVNULL)
    shards = workspace.path / "killed.h5.parts"
    deadline = time.monotonic() + 60
    while len(list(shards.glob("block-*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (workspace.path / "killed.h5").exists()
    result = workspace.run_checked("generate", "--config", "small.yaml", "--output", "killed.h5", "--resume")
    assert "resuming: " in result.stderr
    assert dataset_bytes(workspace.path / "killed.h5") == dataset_bytes(workspace.path / "whole.h5")
    assert not shards.exists()
    again = workspace.run_checked("generate", "--config", "small.yaml", "--output", "killed.h5", "--resume")
    assert again.stdout == "the dataset was complete already: killed.h5\n"


def test_two_processes_write_the_same_dataset_as_one_process(workspace: Workspace) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "spinlock", "generate", "--config", "small.yaml", "--output", "shared.h5"]
    result = subprocess.run(command, cwd=workspace.path, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr
    assert "process 0 of 2: finished" in result.stderr
    assert "process 1 of 2: finished" in result.stderr
    assert result.stdout.count("100 operators, 100 of them in this run") == 1
    assert dataset_bytes(workspace.path / "shared.h5") == dataset_bytes(workspace.path / "whole.h5")


def test_an_interrupt_keeps_finished_blocks_and_prints_the_resume_command(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "spinlock", "generate", "--config", "small.yaml", "--output", "stopped.h5"]
    process = subprocess.Popen([*command, "--overwrite"], cwd=workspace.path, stderr=subprocess.PIPE, text=True)
    shards = workspace.path / "stopped.h5.parts"
    while not list(shards.glob("block-*.npz")) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    words = "spinlock generate --config small.yaml --output stopped.h5 --overwrite --resume"
    assert printed_command(errors) == words
    assert list(shards.glob("block-*.npz"))


def test_dry_run_prints_an_estimate_and_writes_nothing(workspace: Workspace) -> None:
    before = sorted(path.name for path in workspace.path.iterdir())
    text = workspace.run_checked("generate", "--config", "small.yaml", "--output", "dry.h5", "--dry-run").stdout
    assert "snapshots: frames 0, 1, 3, 4 of 20 operators, 164 kB before compression\n" in text
    for words in ("num_samples: 100", "neural convex", "features: ", " blocks, ", " of memory, at most ", " of disk"):
        assert words in text
    assert sorted(path.name for path in workspace.path.iterdir()) == before


def test_wrong_input_is_an_error_of_one_line(workspace: Workspace) -> None:
    write_rollouts(workspace.path / "nan.h5", np.full((1, 1, 3, 1, 16, 16), np.nan, np.float32))
    (workspace.path / "bad.yaml").write_text("families: [burger]\n")
    (workspace.path / "empty.h5").touch()
    made = ("--output", "new.h5")
    for command, words in (
        (("generate", "--config", "bad.yaml", *made), 'families[0]: got "burger" from the file, expected one of'),
        (("generate", "--config", "small.yaml", "--output", "whole.h5"), "exists already; pass --overwrite"),
        (("generate", "--config", "small.yaml", *made, "--num-samples", "0"), "num_samples: got 0 from --num-samples"),
        (
            ("generate", "--config", "small.yaml", *made, "--save-fields", "101"),
            "fields of 101 operators cannot be saved, because there are 100",
        ),
        (("extract-features", "--rollouts", "nan.h5", *made), "operator 0, realization 0, frame 0: contains NaN"),
        (("extract-features", "--rollouts", "whole.h5", *made), "whole.h5: contains no rollouts"),
        (("extract-features", "--rollouts", "empty.h5", *made), "empty.h5: "),
        (
            ("extract-features", "--rollouts", "nan.h5", *made, "--scale", "0"),
            "scale is 0.0; expected a number above",
        ),
    ):
        result = workspace.run(*command)
        assert result.returncode == 1, (command, result.stderr)
        line = result.stderr.strip().splitlines()[-1]
        assert line.startswith("error: ")
        assert words in line, (command, line)
        assert not (workspace.path / "new.h5").exists()


def test_resume_refuses_a_dataset_of_another_configuration(workspace: Workspace) -> None:
    result = workspace.run(
        "generate", "--config", "small.yaml", "--output", "whole.h5", "--resume", "--num-samples", "70"
    )
    assert result.returncode == 1
    assert "exists already and was generated from another configuration" in result.stderr


def test_inspect_describes_a_generated_dataset(workspace: Workspace) -> None:
    text = workspace.run_checked("inspect", "whole.h5").stdout
    assert "labels/family: advection_diffusion 38, gray_scott 37, neural 25\n" in text
    assert "snapshots: frames 0, 1, 3, 4 of 20 operators, [2, 16, 16] each\n" in text
    assert "command_line: " in text
    assert f"features_version: {VERSION}" in text


def test_a_missing_dataset_is_an_error_that_names_the_generate_command(tmp_path: Path) -> None:
    workspace = Workspace.make(tmp_path)
    recipe = tmp_path / "configs" / "datasets" / "small.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(dump_config(small_config()))
    result = workspace.run("train-vqvae", "--config", "config.json", "--input", "datasets/small.h5")
    assert result.returncode == 1
    command = "poetry run spinlock generate --config configs/datasets/small.yaml --output datasets/small.h5"
    duration = r"\(about \d+ (s|min \d+ s) on \d+ CPU cores?\)"
    expected = rf"error: datasets/small\.h5: no such file; generate it {duration}: {re.escape(command)}\n"
    assert re.fullmatch(expected, result.stderr), result.stderr
