"""Commands that are killed at random moments: a sample of what ``benchmarks/kills.py`` measures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_commands_end_with_the_same_files_and_leave_nothing(tmp_path: Path) -> None:
    output = tmp_path / "kills.json"
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "kills.py"), "--kills", "20", "--output", str(output)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    counts = json.loads(output.read_text())["commands"]
    assert set(counts) == {"train-vqvae", "generate", "encode-to-tokens", "extract-features"}
    assert min(count["kills"] for count in counts.values()) >= 4
    assert sum(count["before_the_end"] for count in counts.values()) >= 10
