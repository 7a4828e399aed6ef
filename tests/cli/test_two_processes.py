"""Commands that ``torchrun`` starts in two processes: equal files, killed processes, signals and errors."""

import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import pytest
import torch

from tests.cli.workspace import Workspace

TWO_PROCESSES = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "spinlock")


LONG_RUN = ("--output", "torn", "--epochs", "100000", "--set", "early_stopping_patience=100000")


def start_long_run(workspace: Workspace) -> subprocess.Popen[str]:
    """Start a long run of two processes and wait until it has saved a few epochs."""
    process = workspace.start("train-vqvae", "--config", "config.json", *LONG_RUN, program=TWO_PROCESSES)
    epochs = workspace.path / "torn" / "training_history.jsonl"
    while not epochs.exists() or epochs.read_text().count("\n") < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def process_of_rank(rank: int, folder: Path) -> int:
    """The id of the process that ``torchrun`` started in a folder with this rank."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                here = (entry / "cwd").readlink() == folder
            except OSError:
                continue
            if here and f"RANK={rank}".encode() in environment:
                return int(entry.name)
    raise LookupError(f"no process of rank {rank}")


def test_training_and_encoding_equal_those_of_one_process(workspace: Workspace) -> None:
    result = workspace.run("train-vqvae", "--config", "config.json", "--output", "shared", program=TWO_PROCESSES)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("written: shared") == 1
    assert result.stderr.count("categories  3 of 12 columns") == 1
    ours, theirs = (torch.load(workspace.path / run / "best_model.pt") for run in ("shared", "run"))
    for name, weights in theirs["model_state_dict"].items():
        torch.testing.assert_close(ours["model_state_dict"][name], weights, rtol=1e-3, atol=1e-4)
    dataset = ("--dataset", "table.h5", "--vqvae-model", "run/best_model.pt", "--batch-size", "30")
    result = workspace.run("encode-to-tokens", *dataset, "--output", "shared.h5", program=TWO_PROCESSES)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("encoded 80 rows as 9 tokens each") == 1
    with h5py.File(workspace.path / "shared.h5") as ours, h5py.File(workspace.path / "tokens.h5") as theirs:
        assert (ours["tokens/indices"][()] == theirs["tokens/indices"][()]).all()
        assert (ours["split"][()] == theirs["split"][()]).all()
        assert ours.attrs["features_sha256"] == theirs.attrs["features_sha256"]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="process ids are read from /proc")
def test_a_killed_process_ends_the_run_which_can_be_resumed(workspace: Workspace) -> None:
    process = start_long_run(workspace)
    os.kill(process_of_rank(1, workspace.path), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: process 0 stops: another process has ended" in errors
    known = len(workspace.history("torn"))
    resumed = workspace.run(
        "train-vqvae", "--config", "config.json", *LONG_RUN, "--resume-from", "torn", "--max-time", "0.2"
    )
    assert "resuming torn/last.pt after epoch" in resumed.stderr
    assert len(workspace.history("torn")) > known


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="process ids are read from /proc")
def test_a_signal_to_one_process_stops_both_and_prints_the_resume_command(workspace: Workspace) -> None:
    process = start_long_run(workspace)
    os.kill(process_of_rank(1, workspace.path), signal.SIGUSR1)
    printed = "".join(process.communicate(timeout=60))
    assert "SIGUSR1 was received (process 1); the state is saved" in printed
    assert "resume with: torchrun --nproc-per-node 2 -m spinlock train-vqvae --config config.json" in printed


def test_an_input_error_ends_both_processes(workspace: Workspace) -> None:
    result = workspace.run(
        "train-vqvae", "--config", "config.json", "--input", "nowhere.h5", "--output", "new", program=TWO_PROCESSES
    )
    assert result.returncode == 1
    assert "nowhere.h5" in result.stderr
