"""The job scripts in ``examples/cluster`` run, with programs in the place of ssh, srun and torchrun."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "examples/cluster"

PRINT = '#!/usr/bin/env bash\necho "{name} $*" >> calls.txt\n'
"""A program that writes its arguments to a file."""

SSH = '#!/usr/bin/env bash\necho "ssh $3 $4" >> calls.txt\n[[ ${@: -2:1} != down ]] && bash -c "${@: -1}"\n'
"""A program that runs the command of ssh on this machine, and fails for the machine ``down``."""

CLEARED = dict.fromkeys(
    ("SLURM_ARRAY_TASK_ID", "SLURM_CPUS_PER_TASK", "SLURM_JOB_NODELIST", "PBS_ARRAY_INDEX", "SHARDS", "TORCHRUN"), ""
)


def run_script(name: str, folder: Path, variables: Mapping[str, str], *arguments: str, status: int = 0) -> list[str]:
    """The calls of programs that a script makes in a folder, in the order of their lines."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for program in ("spinlock", "srun", "torchrun", "ssh", "scontrol"):
        path = programs / program
        path.write_text(SSH if program == "ssh" else PRINT.format(name=program))
        path.chmod(0o755)
    (programs / "scontrol").write_text("#!/usr/bin/env bash\nprintf 'n1\\nn2\\n'\n")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", **CLEARED, **variables}
    command = ["bash", str(SCRIPTS / name), *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr
    return (folder / "calls.txt").read_text().splitlines()


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_the_syntax_is_right(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")


def test_there_are_five_scripts() -> None:
    names = ("pbs_array.sh", "slurm_array.sh", "slurm_join.sh", "ssh_loop.sh", "torchrun_train.sh")
    assert tuple(sorted(path.name for path in SCRIPTS.iterdir())) == names


def test_a_task_of_slurm_leaves_the_division_to_the_variables(tmp_path: Path) -> None:
    task = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "20", "SLURM_CPUS_PER_TASK": "4"}
    config = "generate --config configs/datasets/benchmark_50k.yaml --output datasets/benchmark_50k.h5"
    assert run_script("slurm_array.sh", tmp_path, task) == [f"spinlock {config}"]


def test_a_repeated_task_of_slurm_keeps_the_number_of_shards(tmp_path: Path) -> None:
    task = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "2", "SHARDS": "20"}
    words = ("encode-to-tokens", "--output", "t.h5")
    calls = run_script("slurm_array.sh", tmp_path, task, *words)
    assert calls == ["spinlock encode-to-tokens --output t.h5 --shard 3/20"]


def test_the_shards_of_slurm_are_joined(tmp_path: Path) -> None:
    assert run_script("slurm_join.sh", tmp_path, {}) == ["spinlock join datasets/benchmark_50k.h5"]


def test_a_task_of_pbs_has_the_number_of_the_array(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text('echo "$PBS_ARRAY_INDEX of $PBS_ARRAY_COUNT: $*" >> calls.txt\n')
    task = {"PBS_ARRAY_INDEX": "3", "SPINLOCK": f"bash {tmp_path}/run.sh", "CONFIG": "a.yaml", "OUTPUT": "a.h5"}
    assert run_script("pbs_array.sh", tmp_path, task) == ["3 of 20: generate --config a.yaml --output a.h5"]
    assert "#PBS -J 1-20\n" in (SCRIPTS / "pbs_array.sh").read_text()


def test_training_starts_torchrun_on_one_machine_or_on_all_machines_of_a_job(tmp_path: Path) -> None:
    words = ("--config", "c.json", "--output", "run")
    one = run_script("torchrun_train.sh", tmp_path, {"PROCESSES": "2"}, *words)
    assert one == ["torchrun --standalone --nproc-per-node 2 -m spinlock train-vqvae --config c.json --output run"]
    job = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_ID": "7"}
    job["SLURM_CPUS_PER_TASK"] = "16"
    calls = run_script("torchrun_train.sh", tmp_path, job, *words)
    assert calls[1] == (
        "srun --cpus-per-task 16 torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint n1:29507 "
        "--rdzv-id 7 -m spinlock train-vqvae --config c.json --output run"
    )
    calls = run_script("torchrun_train.sh", tmp_path, {"PROCESSES": "2", "TORCHRUN": "srun torchrun"}, *words)
    assert calls[-1].startswith("srun torchrun --standalone ")


@pytest.mark.parametrize("option", [("--output", "my out.h5"), ("--output=my out.h5",)])
def test_the_loop_makes_every_shard_on_some_machine_and_joins_them(tmp_path: Path, option: tuple[str, ...]) -> None:
    calls = run_script(
        "ssh_loop.sh", tmp_path, {"HOSTS": "n1 n2", "SHARDS": "3"}, "generate", "--config", "c.yaml", *option
    )
    words = " ".join(option)
    made = {call for call in calls if call.startswith("spinlock generate")}
    assert made == {f"spinlock generate --config c.yaml {words} --shard {number}/3" for number in (1, 2, 3)}
    assert sum(call.startswith("ssh BatchMode=yes n1") for call in calls) == 2
    assert calls[-1] == "spinlock join my out.h5"


@pytest.mark.parametrize(("hosts", "shard"), [("down n2", 2), ("n1 down", 1)])
def test_the_loop_makes_the_other_shards_but_joins_nothing_when_a_machine_fails(
    tmp_path: Path, hosts: str, shard: int
) -> None:
    calls = run_script("ssh_loop.sh", tmp_path, {"HOSTS": hosts}, "generate", "--output", "a.h5", status=1)
    assert [call for call in calls if call.startswith("spinlock")] == [
        f"spinlock generate --output a.h5 --shard {shard}/2"
    ]


def test_the_loop_reads_machines_from_several_lines(tmp_path: Path) -> None:
    calls = run_script("ssh_loop.sh", tmp_path, {"HOSTS": "n1\nn2\n"}, "generate", "--output", "a.h5")
    assert {call for call in calls if call.startswith("ssh")} == {"ssh BatchMode=yes n1", "ssh BatchMode=yes n2"}


def test_the_loop_needs_a_machine(tmp_path: Path) -> None:
    (tmp_path / "calls.txt").touch()
    assert run_script("ssh_loop.sh", tmp_path, {"HOSTS": " "}, "generate", "--output", "a.h5", status=1) == []


def test_the_loop_passes_overwrite_to_the_join(tmp_path: Path) -> None:
    calls = run_script("ssh_loop.sh", tmp_path, {"HOSTS": "n1"}, "generate", "--output", "a.h5", "--overwrite")
    assert calls[-1] == "spinlock join a.h5 --overwrite"
