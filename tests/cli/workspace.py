"""A directory in which commands run in their own processes, and checks of their results."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.cli.command_server import CommandServer
from tests.tables import low_rank_table, write_table

PROGRAM = ("-m", "spinlock")
TIMEOUT = 240
SERVER = CommandServer()

ROWS, COLUMNS = 80, 12
NAMES = [f"{'abc'[j // 4]}_{j}" for j in range(COLUMNS)]

SMALL: dict[str, Any] = {
    "input_path": "table.h5",
    "output_dir": "run",
    "embedding_dim": 8,
    "num_categories_auto": 3,
    "factors": [{"num_codes": 4}, {"num_codes": 3}, {"num_codes": 2}],
    "epochs": 1,
    "batch_size": 36,
    "val_every_n_epochs": 1,
    "device": "cpu",
    "verbose": False,
}

LIMIT_FILES = """
import resource, sys
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
"""
"""Code that limits the size of files. No byte code is written: a truncated file would break later imports."""


def small_table(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> NDArray[np.float32]:
    """x [rows, columns] of three blocks of columns, each of rank 2 plus noise."""
    rng = np.random.default_rng(seed)
    return np.concatenate([low_rank_table(rng, rows, columns // 3, 2, noise=0.3) for _ in range(3)], axis=1)


@dataclass(frozen=True)
class Workspace:
    """A directory ``path`` with ``table.h5``, ``config.json`` and, after training, ``run/``.

    Commands run in ``environment``, a copy of the environment at the creation of the workspace. pytest writes the name
    of each test into the current environment, and a thread that copies it at the same time fails.
    """

    path: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @classmethod
    def make(cls, path: Path, **settings: Any) -> "Workspace":
        """A workspace with the small table and the small configuration, changed by ``settings``."""
        write_table(path / "table.h5", small_table(), NAMES)
        (path / "config.json").write_text(json.dumps(SMALL | settings))
        return cls(path)

    def table(self, x: Any, names: Sequence[str] | None = None, **options: Any) -> str:
        """Write another table and return its name."""
        return write_table(self.path / "other.h5", x, names, **options).name

    def text(self, name: str, content: Any) -> str:
        """Write a text file, as JSON unless ``content`` is text, and return its name."""
        (self.path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return name

    def start(
        self, *arguments: str, program: Sequence[str] = PROGRAM, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command with pipes for stdout and stderr."""
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.path,
            env=self.environment | {"OMP_NUM_THREADS": "1"} | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, program: Sequence[str] = PROGRAM, preparation: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, after the code ``preparation`` in the same process.

        Without another ``program`` the interpreter has torch imported already.
        """
        if program == PROGRAM:
            environment = self.environment | {"OMP_NUM_THREADS": "1"}
            return SERVER.run(arguments, self.path, environment, TIMEOUT, preparation)
        with self.start(*arguments, program=program) as process:
            out, err = process.communicate(timeout=TIMEOUT)
            return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def run_checked(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command and assert that it succeeds."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result

    def attempt(self, *arguments: str, largest_file: int | None = None) -> "Attempt":
        """Run a command and compare the files before and after it. ``largest_file`` simulates a full disk."""
        preparation = "" if largest_file is None else LIMIT_FILES.format(limit=largest_file)
        before = self.snapshot()
        result = self.run(*arguments, preparation=preparation)
        return Attempt(result.returncode, result.stderr, unchanged=self.snapshot() == before)

    def snapshot(self) -> dict[str, bytes | None]:
        """{path: bytes} of every file and directory in the workspace, None for directories."""
        return {
            str(path.relative_to(self.path)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.path.rglob("*"))
        }

    def history(self, run: str = "run") -> list[dict[str, Any]]:
        """The epochs of ``training_history.jsonl``."""
        lines = (self.path / run / "training_history.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Attempt:
    """The result of a command, and whether all files and directories are unchanged, byte for byte."""

    returncode: int
    stderr: str
    unchanged: bool

    def check_refused(self, *words: str, max_lines: int = 3) -> None:
        """Assert that the input was refused: one error with these words, at most ``max_lines`` lines, no change."""
        lines = self.stderr.splitlines()
        assert self.returncode == 1, (self.returncode, self.stderr)
        errors = [index for index, line in enumerate(lines) if line.startswith("error: ")]
        assert len(errors) == 1, self.stderr
        error = "\n".join(lines[errors[0] :])
        assert len(lines) - errors[0] <= 3, self.stderr
        assert len(lines) <= max_lines, self.stderr
        for text in words:
            assert text in error, (text, error)
        assert "Traceback" not in self.stderr
        assert "defect" not in self.stderr
        assert self.unchanged


def printed_command(stderr: str) -> str:
    """The command line that an interrupted run prints."""
    found = re.search(r"^resume with: (.*)$", stderr, re.MULTILINE)
    assert found is not None, stderr
    return found[1]
