"""The commands ``generate`` and ``extract-features`` as processes: killed, distributed, and with wrong input."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spinlock.config import dump_config
from tests.cli.workplace import Workplace, printed_command
from tests.generation.settings import small
from tests.generation.test_generate import contents
from tests.io.rollout_files import write_own

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A folder with a configuration and the dataset of an uninterrupted run."""
    path = tmp_path_factory.mktemp("generate")
    (path / "small.yaml").write_text(dump_config(small(num_samples=100)))
    place = Workplace(path)
    result = place.done("generate", "--config", "small.yaml", "--output", "whole.h5")
    assert "100 operators, 100 of them in" in result.stdout
    assert "sample: centered discrepancy at most" in result.stdout
    return place


def test_a_killed_run_is_resumed_to_the_same_bytes(desk: Workplace) -> None:
    command = [sys.executable, "-m", "spinlock", "generate", "--config", "small.yaml", "--output", "killed.h5"]
    process = subprocess.Popen([*command, "--batch-size", "1"], cwd=desk.path, stderr=subprocess.DEVNULL)
    shards = desk.path / "killed.h5.shards"
    deadline = time.monotonic() + 60
    while len(list(shards.glob("block-*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (desk.path / "killed.h5").exists()
    result = desk.done("generate", "--config", "small.yaml", "--output", "killed.h5", "--resume")
    assert "resuming: " in result.stderr
    assert contents(desk.path / "killed.h5") == contents(desk.path / "whole.h5")
    assert not shards.exists()
    again = desk.done("generate", "--config", "small.yaml", "--output", "killed.h5", "--resume")
    assert again.stdout == "complete already: killed.h5\n"


def test_two_processes_write_the_dataset_of_one(desk: Workplace) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "spinlock", "generate", "--config", "small.yaml", "--output", "shared.h5"]
    result = subprocess.run(command, cwd=desk.path, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr
    assert "process 0 of 2: done" in result.stderr
    assert "process 1 of 2: done" in result.stderr
    assert result.stdout.count("100 operators, 100 of them in") == 1
    assert contents(desk.path / "shared.h5") == contents(desk.path / "whole.h5")


def test_an_interrupt_keeps_finished_blocks_and_prints_how_to_resume(desk: Workplace) -> None:
    command = [sys.executable, "-m", "spinlock", "generate", "--config", "small.yaml", "--output", "stopped.h5"]
    process = subprocess.Popen([*command, "--overwrite"], cwd=desk.path, stderr=subprocess.PIPE, text=True)
    shards = desk.path / "stopped.h5.shards"
    while not list(shards.glob("block-*.npz")) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    words = "spinlock generate --config small.yaml --output stopped.h5 --overwrite --resume"
    assert printed_command(errors) == words
    assert list(shards.glob("block-*.npz"))


def test_a_dry_run_estimates_and_writes_nothing(desk: Workplace) -> None:
    before = sorted(path.name for path in desk.path.iterdir())
    text = desk.done("generate", "--config", "small.yaml", "--output", "dry.h5", "--dry-run").stdout
    for words in ("num_samples: 100", "neural convex", "features: ", " blocks, ", " of memory, at most ", " of disk"):
        assert words in text
    assert sorted(path.name for path in desk.path.iterdir()) == before


def test_wrong_input_gives_one_line(desk: Workplace) -> None:
    write_own(desk.path / "nan.h5", np.full((1, 1, 3, 1, 16, 16), np.nan, np.float32))
    (desk.path / "bad.yaml").write_text("families: [burger]\n")
    (desk.path / "empty.h5").touch()
    made = ("--output", "new.h5")
    for command, words in (
        (("generate", "--config", "bad.yaml", *made), 'families[0]: got "burger" from the file, expected one of'),
        (("generate", "--config", "small.yaml", "--output", "whole.h5"), "exists already; pass --overwrite"),
        (("generate", "--config", "small.yaml", *made, "--num-samples", "0"), "num_samples: got 0 from --num-samples"),
        (("extract-features", "--rollouts", "nan.h5", *made), "operator 0, realization 0, frame 0: holds NaN"),
        (("extract-features", "--rollouts", "whole.h5", *made), "whole.h5: holds no rollouts"),
        (("extract-features", "--rollouts", "empty.h5", *made), "empty.h5: "),
        (
            ("extract-features", "--rollouts", "nan.h5", *made, "--scale", "0"),
            "scale is 0.0; expected a number above",
        ),
    ):
        result = desk.run(*command)
        assert result.returncode == 1, (command, result.stderr)
        line = result.stderr.strip().splitlines()[-1]
        assert line.startswith("error: ")
        assert words in line, (command, line)
        assert not (desk.path / "new.h5").exists()


def test_a_dataset_of_another_configuration_is_not_complete(desk: Workplace) -> None:
    result = desk.run("generate", "--config", "small.yaml", "--output", "whole.h5", "--resume", "--num-samples", "7")
    assert result.returncode == 1
    assert "exists already, from another configuration" in result.stderr


def test_inspect_describes_a_generated_dataset(desk: Workplace) -> None:
    text = desk.done("inspect", "whole.h5").stdout
    assert "labels/family: advection_diffusion 38, gray_scott 37, neural 25\n" in text
    assert "command_line: " in text
    assert "features_version: 1" in text


def test_a_dataset_that_is_missing_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    place = Workplace.make(tmp_path)
    recipe = tmp_path / "configs" / "datasets" / "small.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(dump_config(small()))
    result = place.run("train-vqvae", "--config", "config.json", "--input", "datasets/small.h5")
    assert result.returncode == 1
    command = "spinlock generate --config configs/datasets/small.yaml --output datasets/small.h5"
    assert result.stderr == f"error: datasets/small.h5: no such file; generate it: {command}\n"
