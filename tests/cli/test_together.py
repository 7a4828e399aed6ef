"""Commands that ``torchrun`` starts in two processes: the same files, and what happens when one of them dies."""

import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import pytest
import torch

from tests.cli.workplace import Workplace

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "spinlock")


LONG = ("--output", "torn", "--epochs", "100000", "--set", "early_stopping_patience=100000")


def under_way(place: Workplace) -> subprocess.Popen[str]:
    """A long run of two processes that has saved a few epochs."""
    process = place.start("train-vqvae", "--config", "config.json", *LONG, program=TWO)
    epochs = place.path / "torn" / "training_history.jsonl"
    while not epochs.exists() or epochs.read_text().count("\n") < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def process_of_rank(rank: int, folder: Path) -> int:
    """The process that ``torchrun`` started in a folder as this rank."""
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


def test_training_and_encoding_are_those_of_one_process(place: Workplace) -> None:
    done = place.run("train-vqvae", "--config", "config.json", "--output", "shared", program=TWO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written: shared") == 1
    assert done.stderr.count("categories  3 of 12 columns") == 1
    ours, theirs = (torch.load(place.path / run / "best_model.pt") for run in ("shared", "run"))
    for name, weights in theirs["model_state_dict"].items():
        torch.testing.assert_close(ours["model_state_dict"][name], weights, rtol=1e-3, atol=1e-4)
    dataset = ("--dataset", "table.h5", "--vqvae-model", "run/best_model.pt", "--batch-size", "30")
    done = place.run("encode-to-tokens", *dataset, "--output", "shared.h5", program=TWO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("80 rows to 9 tokens each") == 1
    with h5py.File(place.path / "shared.h5") as ours, h5py.File(place.path / "tokens.h5") as theirs:
        assert (ours["tokens/indices"][()] == theirs["tokens/indices"][()]).all()
        assert (ours["split"][()] == theirs["split"][()]).all()
        assert ours.attrs["features_sha256"] == theirs.attrs["features_sha256"]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
def test_a_process_that_dies_ends_the_run_and_leaves_a_checkpoint_to_go_on_from(place: Workplace) -> None:
    process = under_way(place)
    os.kill(process_of_rank(1, place.path), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: process 0 stops: another process has ended" in errors
    known = len(place.history("torn"))
    resumed = place.run("train-vqvae", "--config", "config.json", *LONG, "--resume-from", "torn", "--max-time", "0.2")
    assert "resuming torn/last.pt after epoch" in resumed.stderr
    assert len(place.history("torn")) > known


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
def test_a_signal_to_one_stops_both_and_says_how_to_go_on(place: Workplace) -> None:
    process = under_way(place)
    os.kill(process_of_rank(1, place.path), signal.SIGUSR1)
    printed = "".join(process.communicate(timeout=60))
    assert "SIGUSR1 was received (process 1); the state is saved" in printed
    assert "resume with: torchrun --nproc-per-node 2 -m spinlock train-vqvae --config config.json" in printed


def test_a_fault_of_the_input_ends_both(place: Workplace) -> None:
    done = place.run("train-vqvae", "--config", "config.json", "--input", "nowhere.h5", "--output", "new", program=TWO)
    assert done.returncode == 1
    assert "nowhere.h5" in done.stderr
