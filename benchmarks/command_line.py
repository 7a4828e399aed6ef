"""Commands of Spinlock, each in a process of its own, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PRODUCTION = Path(__file__).resolve().parents[1] / "configs" / "vqvae" / "production.json"
"""The production configuration."""


def environment_with_bytecode() -> dict[str, str]:
    """Return the environment in which Python stores byte code, as it does for users.

    With ``PYTHONDONTWRITEBYTECODE``, each process translates the Python files of torch and of the other imports to byte
    code again if none is stored yet, which takes seconds.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run_spinlock(*arguments: str | Path) -> float:
    """Run a command and return its duration in seconds, including the start of Python."""
    started = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "spinlock", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment_with_bytecode(),
    )
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed:\n{process.stderr[-2000:]}")
    return time.perf_counter() - started
