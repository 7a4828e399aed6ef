"""A sample of the mutations of ``benchmarks/fuzz.py``: each ends in a right result or in one error of one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

PROGRAM = "import sys; sys.argv[0] = 'fuzz.py'; sys.path.insert(0, {folder!r}); import fuzz; fuzz.main()"


def run_fuzz(*arguments: str) -> str:
    """Run the benchmark in a process of one thread, which forks, and return its output."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(folder=str(BENCHMARKS)), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def run_program(text: str, folder: Path) -> str:
    """Run a program that imports modules of the benchmarks, and return its output."""
    program = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})" + text.format(folder=str(folder))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def counts(table_row: str) -> list[int]:
    return [int(cell) for cell in table_row.split("|")[2:7]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"),
    [("checkpoint", 10), ("configuration", 14), ("dataset", 8), ("tokens", 8), ("rollouts", 8)],
)
def test_every_mutation_ends_in_a_result_or_in_one_error(kind: str, count: int) -> None:
    output = run_fuzz("--kind", kind, "--count", str(count), "--seed", "7")
    results, refusals, *faults = counts(next(line for line in output.splitlines() if line.startswith(f"| {kind}")))
    assert faults == [0, 0, 0], output
    assert results + refusals >= count
    assert refusals >= 5


MUTATIONS = """
import numpy as np
from pathlib import Path
from fuzz_configuration import ConfigurationKind

folder = Path({folder!r})
kind = ConfigurationKind()
kind.prepare(folder)
for number in (*range(20), *range(20)):
    change = kind.mutate(folder, np.random.default_rng([0, number]))
    print(repr(change), hash((folder / kind.path).read_bytes()))
"""


def test_a_mutation_follows_from_its_number(tmp_path: Path) -> None:
    lines = run_program(MUTATIONS, tmp_path).splitlines()
    assert lines[:20] == lines[20:]
    assert len(set(lines)) > 15


DEFECTS = """
from pathlib import Path
import fuzz_attempt, spinlock.cli.main as program

folder = Path({folder!r})
def attempt(end):
    program.run = end
    return fuzz_attempt.run_command([], folder).kind

def exit_with(code, text=""):
    def end():
        print(text)
        raise SystemExit(code)
    return end

def leave_a_file():
    (folder / "left").touch()
    raise SystemExit(1)

def take_memory():
    values = bytearray(fuzz_attempt.MAX_BYTES // 100 * 101)
    raise SystemExit(0)

print(*map(attempt, [
    exit_with(0), exit_with(1, "error: wrong"), exit_with(2, "error: usage"), exit_with(1, "no error"),
    exit_with(1, "error: a\\nerror: b"), exit_with(1, "error: internal error: KeyError"), lambda: 1 / 0, leave_a_file,
    take_memory,
]), sep=", ")
"""


def test_defects_and_high_memory_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    printed = run_program(DEFECTS, folder)
    kinds = ["result", "refused", *["defect"] * 6, "over 2 GB"]
    assert printed.strip().split(", ") == kinds
