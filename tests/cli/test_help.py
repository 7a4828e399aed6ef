"""``--help`` and ``--version`` answer at once: they import nothing heavy."""

import os
import subprocess
import sys

import pytest

import spinlock
from tests.cli.workplace import Workplace

COMMANDS = (
    "generate",
    "extract-features",
    "train-vqvae",
    "encode-to-tokens",
    "decode-tokens",
    "discover-categories",
    "inspect",
)

MODULES = """
import runpy, sys
try:
    runpy.run_module("spinlock", run_name="__main__", alter_sys=True)
finally:
    print("modules:", *{name.partition(".")[0] for name in sys.modules})
"""

SECONDS = 0.5
START = 0.03
"""Processor seconds of an answer, on a machine where the bare interpreter takes these to start."""


def processor_seconds(*arguments: str) -> float:
    """Least processor time of five processes: what an idle machine takes; neighbors in the caches only add to it."""
    taken = []
    for _ in range(5):
        process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        taken.append(usage.ru_utime + usage.ru_stime)
    return min(taken)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=str)
def test_help_imports_nothing_heavy(trained: Workplace, command: tuple[str, ...]) -> None:
    result = trained.run(*command, "--help", program=("-c", MODULES))
    assert result.returncode == 0
    text, _, modules = result.stdout.rpartition("modules: ")
    assert not {"torch", "h5py", "sklearn", "scipy", "numpy", "pandas"} & set(modules.split())
    assert "Usage" in text
    words = ("Example", f"spinlock {command[0]}", "--") if command else COMMANDS
    for word in words:
        assert word in text, (word, text)


@pytest.mark.parametrize("command", [(), ("train-vqvae",)], ids=str)
def test_help_answers_at_once(trained: Workplace, command: tuple[str, ...]) -> None:
    slowness = max(1.0, processor_seconds("-c", "pass") / START)
    assert processor_seconds("-m", "spinlock", *command, "--help") < SECONDS * slowness


def test_version(trained: Workplace) -> None:
    assert trained.done("--version").stdout == f"spinlock {spinlock.__version__}\n"


def test_no_command_shows_the_help(trained: Workplace) -> None:
    result = trained.run()
    assert result.returncode == 2
    assert "train-vqvae" in result.stdout + result.stderr
