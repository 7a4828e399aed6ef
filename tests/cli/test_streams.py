"""Standard streams that are closed, full or narrow, and text from files that the terminal would interpret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.workspace import NAMES, Workspace, small_table
from tests.tables import write_table

ENCODE = ("encode-to-tokens", "--dataset", "table.h5", "--vqvae-model", "run/best_model.pt", "--output", "new.h5")
TITLE = "\x1b]0;title\x07"
"""A sequence that changes the title of a terminal."""


def shell(workspace: Workspace, command: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``command`` in bash; ``"$@"`` in it is the program with ``arguments``."""
    program = [sys.executable, "-m", "spinlock", *arguments]
    environment = workspace.environment | {"OMP_NUM_THREADS": "1"}
    shell_command = ["bash", "-c", command, "bash", *program]
    return subprocess.run(shell_command, cwd=workspace.path, env=environment, capture_output=True, timeout=240)


class TestStreams:
    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"], ids=["stdout", "stderr", "all"])
    def test_a_command_does_its_work_with_closed_streams(self, workspace: Workspace, closed: str) -> None:
        result = shell(workspace, f'"$@" {closed}', *ENCODE)
        assert (result.returncode, result.stdout, result.stderr) in [(0, b"", result.stderr), (0, result.stdout, b"")]
        assert contents(workspace.path / "new.h5") == contents(workspace.path / "tokens.h5")

    @pytest.mark.parametrize("stderr", ["2>/dev/full", "2> >(true)"], ids=["full device", "closed pipe"])
    def test_log_lines_that_cannot_be_written_do_not_stop_a_run(self, workspace: Workspace, stderr: str) -> None:
        result = shell(workspace, f'"$@" {stderr}', "train-vqvae", "--config", "config.json", "--output", "second")
        assert result.returncode == 0
        assert (workspace.path / "second/best_model.pt").exists()

    def test_results_that_cannot_be_written_are_one_line_of_error(self, workspace: Workspace) -> None:
        result = shell(workspace, '"$@" >/dev/full', "inspect", "table.h5")
        assert result.returncode == 1
        assert result.stderr.decode() == "error: No space left on device\n"

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
    def test_characters_that_the_encoding_lacks_are_escaped(self, workspace: Workspace, encoding: str) -> None:
        names = [f"größe_{j}" for j in range(6)] + [f"漢字_{j}" for j in range(6)]
        write_table(workspace.path / "names.h5", small_table(), names)
        result = shell(workspace, f'PYTHONIOENCODING={encoding} "$@"', "inspect", "names.h5", "--row", "0")
        assert result.returncode == 0, result.stderr
        assert rb"\u6f22\u5b57_0" in result.stdout

    def test_a_path_that_is_not_utf8_can_be_an_output(self, workspace: Workspace) -> None:
        output = os.fsdecode(b"tokens\xff.h5")
        result = workspace.run(*ENCODE[:-1], output)
        assert result.returncode == 0, result.stderr
        assert r"tokens\udcff.h5" in result.stdout
        assert contents(workspace.path / output) == contents(workspace.path / "tokens.h5")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which names, labels, attributes and keys have control characters."""
    workspace = Workspace.make(tmp_path_factory.mktemp("hostile"))
    names = [f"{TITLE}{name}\nerror: nothing" for name in NAMES]
    write_table(workspace.path / "table.h5", small_table(), names)
    with h5py.File(workspace.path / "table.h5", "r+") as file:
        file.attrs["note"] = TITLE
        values = np.array(["\x1b[2J", "\x9b31m"] * 40, dtype=h5py.string_dtype())
        file.create_dataset("labels/\x1b[31mkind", data=values)
    workspace.text("key.json", json.dumps({TITLE: 1, "a\nerror: nothing": 1}))
    return workspace


class TestControlCharacters:
    """No control character of a file or of an argument reaches the terminal, and no text adds a line."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("inspect", "table.h5"),
            ("inspect", "table.h5", "--row", "0"),
            ("inspect", f"{TITLE}.h5"),
            ("train-vqvae", "--config", "key.json"),
            ("train-vqvae", "--config", "config.json", "--set", f"{TITLE}=1"),
            ("train-vqvae", "--config", "config.json", "--set", f"split_by={TITLE}"),
            ("train-vqvae", "--config", "config.json", "--dry-run", "--verbose"),
            ("discover-categories", "--config", "config.json", "--output", "mapping.json"),
            ("inspect", f"--{TITLE}"),
            (f"{TITLE}",),
        ],
        ids=lambda arguments: " ".join(arguments).encode("unicode_escape").decode(),
    )
    def test_they_are_escaped(self, hostile: Workspace, arguments: tuple[str, ...]) -> None:
        result = hostile.run(*arguments)
        printed = result.stdout + result.stderr
        assert printed
        assert [c for c in printed if not c.isprintable() and c not in "\n\xa0"] == []
        assert not any(line.startswith("error: nothing") for line in printed.splitlines())


def contents(path: Path) -> dict[str, bytes]:
    """{name: bytes} of the datasets of a file."""
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, node: found.update({name: str(node[()]).encode()}) if hasattr(node, "shape") else None
        )
    return found


def test_log_settings_that_torch_refuses_are_named(workspace: Workspace) -> None:
    with workspace.start("inspect", "run/best_model.pt", env={"TORCH_LOGS": "nonsense"}) as process:
        _, stderr = process.communicate(timeout=240)
    assert process.returncode == 1
    assert stderr == (
        "error: the environment variable TORCH_LOGS is 'nonsense', which torch refuses; correct it, or unset it\n"
    )
