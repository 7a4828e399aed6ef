"""Output of the commands: plan and progress on stderr, results on stdout, only results with --quiet."""

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from spinlock.cli.commands.inspect import inspect
from spinlock.config import dump_config
from tests.cli.workspace import NAMES, ROWS, Workspace, small_table
from tests.generation.settings import small_config

CONFIG = ("train-vqvae", "--config", "config.json")
OVERWRITE = (*CONFIG, "--overwrite")
MODEL = ("--vqvae-model", "run/best_model.pt")

PrintedRun = tuple[Workspace, subprocess.CompletedProcess[str]]

DROPPED = {
    "steady": "constant: 3",
    "flat": "constant: 5",
    "double": "duplicates a_0 (r = +1.000000)",
    "mirror": "duplicates a_1 (r = -1.000000)",
    "rare": "missing in 93.1% of the rows",
}
"""{dropped column: printed reason}."""


def faulty_table() -> tuple[np.ndarray, list[str]]:
    """The small table with the columns of :data:`DROPPED`."""
    x = small_table()
    rare = np.where(np.arange(ROWS) % 10 == 0, x[:, 2], np.nan)
    faulty = [np.full(ROWS, 3.0), np.full(ROWS, 5.0), 2 * x[:, 0] + 1, -x[:, 1], rare]
    return np.column_stack([x, *faulty]).astype(np.float32), [*NAMES, *DROPPED]


@pytest.fixture(scope="module")
def trained_on_faults(tmp_path_factory: pytest.TempPathFactory) -> PrintedRun:
    """A run on a table with faulty columns, validated at epochs 0, 2 and 3, and its output."""
    workspace = Workspace.make(tmp_path_factory.mktemp("faults"), input_path="other.h5", epochs=3, val_every_n_epochs=2)
    workspace.table(*faulty_table())
    return workspace, workspace.run_checked(*CONFIG)


class TestTraining:
    def test_the_plan_is_printed_in_aligned_lines(self, trained_on_faults: PrintedRun) -> None:
        lines = trained_on_faults[1].stderr.splitlines()
        assert lines[0] == "reading the table, selecting categories and codebook sizes ..."
        plan = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines[1:10])
        assert list(plan) == [
            *("table", "split", "dropped", "scaling", "categories", "tokens", "expected", "training", "compiler")
        ]
        assert {line.index(text) for line, text in zip(lines[1:10], plan.values(), strict=True)} == {12}
        assert plan["table"] == "other.h5: 80 operators, 80 rows"
        assert plan["split"] == "72 training rows, 8 validation rows"
        assert re.fullmatch(r"3 of 12 columns, largest centroid cosine 0\.\d{3}", plan["categories"])
        assert plan["scaling"].startswith("auto: ")
        assert plan["tokens"] == "9 per row (local), 14 bits"
        assert re.fullmatch(
            r"quality 0\.\d{3}, rank quality 0\.\d{3}, utilization 0\.\d{3} on held-out rows before training",
            plan["expected"],
        )
        assert plan["training"] == "epochs 3, steps per epoch 2, rows per step 36"
        assert plan["compiler"].startswith("eager: ")

    def test_dropped_columns_are_summarized_in_one_line(self, trained_on_faults: PrintedRun) -> None:
        lines = [line for line in trained_on_faults[1].stderr.splitlines() if "dropped" in line]
        assert lines == ["dropped     5 of 17 columns: 1 missing, 2 constant, 2 duplicate (rare, steady, flat, ...)"]

    def test_adaptations_to_the_table_are_printed(self, trained_on_faults: PrintedRun) -> None:
        lines = trained_on_faults[1].stderr.splitlines()
        notes = [line for line in lines if line.startswith("note: ")]
        assert notes == lines[10 : 10 + len(notes)]
        assert "note: topo_samples 36 instead of 1024: a batch has no more rows" in notes

    def test_each_validation_prints_one_line(self, trained_on_faults: PrintedRun) -> None:
        workspace, printed = trained_on_faults
        lines = [line for line in printed.stderr.splitlines() if line.startswith("epoch ")]
        assert [line.partition(":")[0] for line in lines] == ["epoch 0", "epoch 2", "epoch 3"]
        records = [record for record in workspace.history() if record["val_quality"] is not None]
        for line, record in zip(lines, records, strict=True):
            assert f"quality {record['val_quality']:.3f} utilization {record['val_utilization']:.3f}" in line
            assert f"topographic {record['val_topographic_correlation']:.3f}" in line
            assert (" rec " in line) == (record["epoch"] > 0)
        assert sum("(best so far)" in line for line in lines) >= 1
        assert printed.stderr.splitlines()[-1].startswith("training took ")

    def test_the_result_ends_with_the_targets_and_the_next_command(self, trained_on_faults: PrintedRun) -> None:
        lines = trained_on_faults[1].stdout.splitlines()
        start = next(index for index, line in enumerate(lines) if line.startswith("target "))
        assert [line.split()[0] for line in lines[start + 1 : start + 5]] == [
            "reconstruction_quality",
            "codebook_utilization",
            "inter_category_orthogonality",
            "topographic_correlation",
        ]
        assert all(line.split()[-1] in ("met", "missed") for line in lines[start + 1 : start + 5])
        assert lines[-2] == "written: run"
        assert lines[-1].startswith("next: spinlock encode-to-tokens ")

    def test_the_next_command_works_when_it_is_pasted(self, trained_on_faults: PrintedRun) -> None:
        workspace, printed = trained_on_faults
        command = shlex.split(printed.stdout.splitlines()[-1].removeprefix("next: "))
        assert command[0] == "spinlock"
        workspace.run_checked(*command[1:])
        with h5py.File(workspace.path / "other_tokens.h5") as file:
            assert file["tokens/indices"].shape == (ROWS, 9)

    def test_paths_with_spaces_are_quoted_in_the_next_command(self, tmp_path: Path, trained: Workspace) -> None:
        workspace = Workspace.make(tmp_path, epochs=0)
        shutil.copy(trained.path / "table.h5", tmp_path / "my table.h5")
        printed = workspace.run_checked(*CONFIG, "--input", "my table.h5", "--output", "a run")
        command = shlex.split(printed.stdout.splitlines()[-1].removeprefix("next: "))
        workspace.run_checked(*command[1:])
        assert (tmp_path / "my table_tokens.h5").exists()

    def test_quiet_prints_the_same_result_and_nothing_else(self, trained_on_faults: PrintedRun) -> None:
        workspace, printed = trained_on_faults
        quiet = workspace.run_checked(*OVERWRITE, "--quiet")
        assert quiet.stderr == ""
        assert quiet.stdout == printed.stdout

    @pytest.mark.parametrize("option", [("--verbose",), ("--set", "verbose=true")], ids=" ".join)
    def test_verbose_also_prints_each_dropped_column_and_the_schedule(
        self, trained_on_faults: PrintedRun, option: tuple[str, ...]
    ) -> None:
        workspace, printed = trained_on_faults
        verbose = workspace.run_checked(*OVERWRITE, *option)
        lines = verbose.stderr.splitlines()
        for name, reason in DROPPED.items():
            assert f"dropped {name}: {reason}" in lines
        for words in ("epochs: 3, steps per epoch: 2, optimizer steps: 6", "validation every 2 epochs: 3 times"):
            assert words in lines
            assert words not in printed.stderr
        assert set(printed.stderr.splitlines()[:-1]) <= set(lines)
        assert verbose.stdout == printed.stdout


def on_terminal(workspace: Workspace, width: int, *arguments: str) -> str:
    """The output of a command on a terminal of this width, without escape sequences."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = workspace.environment | {"OMP_NUM_THREADS": "1", "TERM": "xterm-256color"}
    environment = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-m", "spinlock", *arguments]
    with subprocess.Popen(
        command, cwd=workspace.path, env=environment, stdin=side, stdout=side, stderr=side
    ) as process:
        os.close(side)
        pieces = []
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:  # the process has closed the terminal
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(main)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(pieces).decode()).replace("\r\n", "\n")
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize("width", [80, 140])
def test_on_a_terminal_the_plan_is_wrapped_but_the_next_command_is_not(
    trained_on_faults: PrintedRun, width: int
) -> None:
    workspace, printed = trained_on_faults
    lines = on_terminal(workspace, width, *OVERWRITE).splitlines()
    commands = [line for line in lines if line.startswith("next: ")]
    assert commands == [printed.stdout.splitlines()[-1]]
    plan = lines[next(index for index, line in enumerate(lines) if line.startswith("table ")) :]
    plan = plan[: next(index for index, line in enumerate(plan) if line.startswith("note: "))]
    assert max(len(line.rstrip()) for line in plan) <= width
    names = [line.split()[0] for line in plan if not line.startswith(" ")]
    assert names == ["table", "split", "dropped", "scaling", "categories", "tokens", "expected", "training", "compiler"]
    for word in ("5 of 17 columns: 1 missing, 2 constant, 2 duplicate", "eager: "):
        assert word in " ".join(" ".join(plan).split())
    assert not [line for line in lines if line.startswith(("epoch 2:", "dropped double"))]


class TestQuiet:
    def test_the_commands_on_tokens_print_results_only(self, workspace: Workspace) -> None:
        for command, words in (
            (
                ("encode-to-tokens", "--dataset", "table.h5", *MODEL),
                "encoded 80 rows as 9 tokens each; written: new.h5",
            ),
            (
                ("decode-tokens", "--tokens", "tokens.h5", *MODEL),
                "decoded 80 rows of 12 features from 3 of 3 levels; written: new.h5",
            ),
            (("discover-categories", "--config", "config.json"), "written: new.h5"),
        ):
            result = workspace.run_checked(*command, "--output", "new.h5", "--quiet", "--overwrite")
            assert result.stderr == "", command
            assert words in result.stdout.splitlines(), command

    def test_generation_and_extraction_print_results_only(self, tmp_path: Path) -> None:
        workspace = Workspace(tmp_path)
        workspace.text("small.yaml", dump_config(small_config(num_samples=6, store_trajectories=True)))
        loud = workspace.run_checked("generate", "--config", "small.yaml", "--output", "data.h5")
        quiet = workspace.run_checked(
            "generate", "--config", "small.yaml", "--output", "data.h5", "--quiet", "--overwrite"
        )
        assert loud.stderr
        assert quiet.stderr == ""
        assert "generated 6 operators, 6 of them in this run" in quiet.stdout
        extract = ("extract-features", "--rollouts", "data.h5", "--output", "features.h5")
        loud, quiet = workspace.run_checked(*extract), workspace.run_checked(*extract, "--quiet", "--overwrite")
        assert loud.stderr
        assert quiet.stderr == ""
        assert quiet.stdout == loud.stdout
        assert re.fullmatch(r"extracted the features of 6 operators; .* written: features\.h5\n", quiet.stdout)

    def test_errors_are_printed(self, workspace: Workspace) -> None:
        workspace.attempt(*CONFIG, "--quiet", "--output", "new", "--input", "nowhere.h5").check_refused("no such file")


FORMATS = Path(__file__).parents[1] / "formats"


@pytest.mark.parametrize("name", ["features.h5", "tokens_v1.h5", "checkpoint_local_v1.pt"])
def test_inspect_shortens_long_text_of_a_file(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, long = tmp_path / name, 60_000 * "x"
    shutil.copy(FORMATS / name, path)
    if name.endswith(".pt"):
        content = torch.load(path, weights_only=True)
        content["provenance"] |= {"command_line": long, "started": long, "versions": {long: long}}
        content["metrics"] |= {long: 0.5}
        content["dataset"]["family"] = long
        torch.save(content, path)
    else:
        with h5py.File(path, "r+") as file:
            file.attrs["note"] = long
            file.attrs[long] = 1
            if name == "features.h5":
                rows = file["features/sdf/aggregated/features"].shape[0]
                file["labels/long"] = [long] * rows
    inspect(path)
    printed = capsys.readouterr().out
    assert "xxx ..." in printed
    assert max(map(len, printed.splitlines())) <= 2000
