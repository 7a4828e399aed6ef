"""``--shard`` and ``join`` on the command line: job arrays, listings, interruptions and wrong input."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinlock.config import dump_config
from tests.cli.workspace import Workspace
from tests.generation.settings import small_config
from tests.io.rollout_files import write_rollouts

ROLLOUTS = ("extract-features", "--rollouts", "rollouts.h5", "--device", "cpu", "--output")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with rollouts, a configuration, and the first and the last of three shards of features."""
    path = tmp_path_factory.mktemp("shards")
    fields = np.random.default_rng(0).normal(size=(6, 1, 4, 1, 1, 16)).astype(np.float32)
    write_rollouts(path / "rollouts.h5", fields)
    (path / "small.yaml").write_text(dump_config(small_config()))
    workspace = Workspace(path)
    for number in (1, 3):
        result = workspace.run_checked(*ROLLOUTS, "features.h5", "--shard", f"{number}/3", "--overwrite")
        name = f"features.shard-{number}-of-3.h5"
        assert f"shard {number}/3 of features.h5: {name}\n" in result.stderr
        assert "extracted the features of 2 operators; " in result.stdout
        assert result.stdout.endswith(f" written: {name}\n")
    return workspace


@pytest.fixture
def folder(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the folder."""
    shutil.copytree(made.path, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path, made.environment)


def with_variables(workspace: Workspace, **variables: str) -> Workspace:
    return replace(workspace, environment=workspace.environment | variables)


COMMAND = "spinlock extract-features --rollouts rollouts.h5 --device cpu --output features.h5 --shard 2/3"


def test_join_names_what_is_missing_and_its_command_makes_it(folder: Workspace) -> None:
    before = folder.snapshot()
    for arguments in (("join", "features.h5"), ("join", "features.h5", "--dry-run")):
        result = folder.run(*arguments)
        assert result.returncode == 1
        lines = result.stderr.splitlines()
        assert lines[-2] == f"shard 2/3 has to be made (missing); make it with: {COMMAND}"
        assert lines[-1].startswith("error: features.h5: 1 of 3 shards are missing or damaged: 2; ")
        listed = re.findall(r"shard (\d)/3: 2 operators, \d+ kB: features\.shard-\1-of-3\.h5", result.stdout)
        assert listed == (["1", "3"] if "--dry-run" in arguments else [])
    assert folder.snapshot() == before
    folder.run_checked(*COMMAND.split()[1:])
    assert folder.run_checked("join", "features.h5", "--dry-run").stdout.endswith(
        "all 3 shards of features.h5 are there\n"
    )
    result = folder.run_checked("join", "features.h5")
    assert result.stdout.startswith("joined 3 shards with 6 operators; ")
    folder.run_checked(*ROLLOUTS, "whole.h5", "--shard", "1/1")
    assert (folder.path / "features.h5").read_bytes() == (folder.path / "whole.h5").read_bytes()
    again = folder.run(*COMMAND.split()[1:])
    assert again.stdout == "the shard was complete already: features.shard-2-of-3.h5\n"
    result = folder.run("join", "features.h5")
    assert result.returncode == 1
    assert "features.h5: exists already; pass --overwrite to replace it" in result.stderr
    assert (
        folder.run_checked("join", "whole.h5").stdout
        == "whole.h5 has no shards and exists already; nothing is joined\n"
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "5"},
        {"PBS_ARRAY_INDEX": "2", "PBS_ARRAY_COUNT": "3"},
    ],
    ids=["SLURM", "PBS"],
)
def test_a_task_of_a_job_array_makes_its_shard(folder: Workspace, variables: dict[str, str]) -> None:
    result = with_variables(folder, **variables).run_checked(*ROLLOUTS, "features.h5")
    line = "shard 2/3 of features.h5: features.shard-2-of-3.h5 (from {}; --shard 1/1 makes the whole file)\n"
    assert line.format(next(iter(variables))) in result.stderr
    assert not (folder.path / "features.h5").exists()
    folder.run_checked("join", "features.h5")


def test_a_job_array_of_other_runs_makes_whole_files(folder: Workspace) -> None:
    task = with_variables(folder, SLURM_ARRAY_TASK_ID="2", SLURM_ARRAY_TASK_COUNT="3")
    result = task.run_checked(*ROLLOUTS, "whole.h5", "--shard", "1/1")
    assert "shard" not in result.stderr
    assert (folder.path / "whole.h5").exists()


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_repeated_array_of_a_few_tasks_is_refused(folder: Workspace, count: str) -> None:
    task = with_variables(folder, SLURM_ARRAY_TASK_ID="2", SLURM_ARRAY_TASK_COUNT=count, SLURM_ARRAY_TASK_MIN="2")
    attempt = task.attempt(*ROLLOUTS, "features.h5")
    attempt.check_refused(f"would make shard 1/{count}, but there are shards of 3 parts", "pass --shard i/3")


def test_a_repeated_array_is_refused_if_no_shard_is_finished(folder: Workspace) -> None:
    (folder.path / "d.shard-1-of-3.h5.parts").mkdir()
    task = with_variables(folder, SLURM_ARRAY_TASK_ID="2", SLURM_ARRAY_TASK_COUNT="1", SLURM_ARRAY_TASK_MIN="2")
    attempt = task.attempt("generate", "--config", "small.yaml", "--output", "d.h5")
    attempt.check_refused("would make shard 1/1, but there are shards of 3 parts", "pass --shard i/3")


def test_an_array_of_one_task_makes_the_whole_file_and_says_so(folder: Workspace) -> None:
    task = with_variables(folder, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_COUNT="1")
    result = task.run_checked(*ROLLOUTS, "whole.h5")
    line = "the job array has one task, which makes the whole file (from SLURM_ARRAY_TASK_ID): whole.h5\n"
    assert line in result.stderr
    assert (folder.path / "whole.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*ROLLOUTS, "a.h5", "--shard", "0/3"), "--shard is '0/3'; expected i/n with whole numbers 1 <= i <= n"),
        ((*ROLLOUTS, "a.h5", "--shard", "8/7"), "--shard is '8/7'; expected i/n"),
        ((*ROLLOUTS, "a.h5", "--shard", "a/b"), "--shard is 'a/b'; expected i/n"),
        (
            (*ROLLOUTS, "a.h5", "--shard", "1/7"),
            "a.h5: the shard is 1/7, but there are 6 operators; expected at most",
        ),
        (
            (*ROLLOUTS, "features.h5", "--shard", "1/3", "--scale", "2"),
            "features.shard-1-of-3.h5: the shard exists already and differs in scale; expected the same",
        ),
        (("generate", "--config", "small.yaml", "--output", "d.h5", "--shard", "2"), "--shard is '2'; expected i/n"),
        (("generate", "--config", "small.yaml", "--output", "d.h5", "--shard", "1/25"), "but there are 24 operators"),
        (("join", "nothing.h5"), "nothing.h5: has no shards; make them with --shard i/n, or in Python"),
    ],
)
def test_wrong_input_is_refused_in_one_line(folder: Workspace, arguments: tuple[str, ...], words: str) -> None:
    attempt = folder.attempt(*arguments)
    attempt.check_refused(words)
    assert attempt.stderr.splitlines()[-1].startswith("error: ")


def test_an_index_without_a_count_is_refused(folder: Workspace) -> None:
    task = with_variables(folder, PBS_ARRAY_INDEX="2")
    task.attempt(*ROLLOUTS, "a.h5").check_refused("PBS_ARRAY_INDEX is set, but PBS_ARRAY_COUNT is not", "--shard 1/1")


def test_the_dry_run_of_a_generation_states_the_part(folder: Workspace) -> None:
    before = folder.snapshot()
    generate = ("generate", "--config", "small.yaml", "--output", "d.h5", "--shard", "2/3", "--dry-run")
    printed = folder.run_checked(*generate).stdout
    assert "shard 2/3: 1 of 4 blocks with 9 of 24 operators\n" in printed
    assert folder.snapshot() == before
