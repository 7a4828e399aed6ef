"""Commands of the program as a user runs them, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PRODUCTION = Path(__file__).resolve().parents[1] / "configs" / "vqvae" / "production.json"


def spinlock(*arguments: str | Path) -> float:
    """Run a command of the program; returns its seconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "spinlock", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started
