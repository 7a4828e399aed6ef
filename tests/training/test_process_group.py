"""Two processes give the losses, codebooks and resets of one process, to rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spinlock.errors import RunError
from spinlock.runtime.process_group import ProcessGroup
from tests.training import group_runs
from tests.training.runs import EAGER, config, new_run, train_and_save, write_table_in

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, and a run of eight epochs that one process trained."""
    folder = tmp_path_factory.mktemp("together")
    write_table_in(folder)
    settings = group_runs.settings(folder, "seed 0").model_copy(update={"output_dir": folder / "one_process"})
    train_and_save(new_run(settings))
    return folder


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    """The results of each of two processes."""
    command = [*TORCHRUN, "-m", "tests.training.group_runs", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("case", group_runs.CASES)
def test_the_first_twenty_losses_equal_those_of_one_process(
    folder: Path, ranks: list[dict[str, Any]], case: str
) -> None:
    single = group_runs.train_case(group_runs.settings(folder, case))
    assert len(single["losses"]) == 20
    assert ranks[0][case]["losses"] == pytest.approx(single["losses"], rel=1e-5)
    assert abs(ranks[0][case]["quality"] - single["quality"]) < 0.005
    assert ranks[0][case]["resets"] == single["resets"]


@pytest.mark.parametrize("case", [*group_runs.CASES, "resumed"])
def test_both_processes_have_the_same_weights(ranks: list[dict[str, Any]], case: str) -> None:
    assert ranks[0][case]["weights"] == ranks[1][case]["weights"]
    assert ranks[0][case]["losses"] == ranks[1][case]["losses"]


def test_two_processes_replace_dead_codes(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["resets"]["resets"] > 0


def test_two_processes_resume_a_run_of_one_process(folder: Path, ranks: list[dict[str, Any]]) -> None:
    longer = group_runs.settings(folder, "seed 0").model_copy(update={"epochs": 12})
    single = group_runs.resume_case(folder / "one_process" / "last.pt", longer)
    assert ranks[0]["resumed"]["losses"] == pytest.approx(single["losses"], rel=1e-5)
    assert len(single["losses"]) == 16


def test_batches_too_small_for_two_processes_are_refused(folder: Path) -> None:
    run = new_run(config(folder, batch_size=7), EAGER)
    run.group = ProcessGroup(1, 2)
    with pytest.raises(RunError, match="batches of 7 rows for 2 processes; expected at least 4 rows for each"):
        train_and_save(run)
