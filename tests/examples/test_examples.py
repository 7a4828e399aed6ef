"""The programs in ``examples`` and the Python code in README run as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import spinlock as sl
from spinlock.config import dump_config
from tests.ano.world import SMALL
from tests.closed_loop.world import make_small_world
from tests.generation.settings import small_config

ROOT = Path(__file__).parents[2]


def run_python(program: list[str], directory: Path) -> str:
    """Run a Python program in a directory and return its output."""
    completed = subprocess.run(
        [sys.executable, *program],
        cwd=directory,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_csv_to_tokens_writes_tokens_restored_features_and_the_model(tmp_path: Path) -> None:
    run_python([str(ROOT / "examples/csv_to_tokens.py"), "--epochs", "2"], tmp_path)
    tokens = pd.read_csv(tmp_path / "csv_to_tokens/tokens.csv")
    restored = pd.read_csv(tmp_path / "csv_to_tokens/restored.csv")
    tokenizer = sl.Tokenizer.load(tmp_path / "csv_to_tokens/model.pt")
    assert tokens.shape == (600, 3 * len(tokenizer.categories))
    assert restored.shape == (600, 40)
    assert restored.notna().all(axis=None)


def test_rollouts_to_tokens_writes_tokens_and_prints_the_quality(tmp_path: Path) -> None:
    printed = run_python(
        [str(ROOT / "examples/rollouts_to_tokens.py"), "--operators", "120", "--epochs", "2"], tmp_path
    )
    quality = re.search(r"explain (\d+)%", printed)
    assert quality is not None
    assert int(quality[1]) > 50
    assert (tmp_path / "rollouts_to_tokens/tokens.h5").exists()


def test_one_operator_prints_twelve_features(tmp_path: Path) -> None:
    printed = run_python([str(ROOT / "examples/one_operator.py"), "--grid", "16", "--steps", "16"], tmp_path)
    rows = [line for line in printed.splitlines() if re.fullmatch(r"  \S+( +-?[\d.e+-]+){2}", line)]
    assert len(rows) == 12


def test_behavior_to_operators_draws_the_operators_that_it_found(tmp_path: Path) -> None:
    world = make_small_world(tmp_path)
    world.tokenizer.save(tmp_path / "tokenizer.pt")
    sl.ANO.fit(world.tokens, SMALL | {"epochs": 1}).save(tmp_path / "ano.pt")
    (tmp_path / "small.yaml").write_text(dump_config(small_config(num_steps=8)))
    options = ["--vqvae-model", "tokenizer.pt", "--ano-model", "ano.pt", "--config", "small.yaml", "--operators", "12"]
    printed = run_python([str(ROOT / "examples/behavior_to_operators.py"), *options], tmp_path)
    assert "of 12 families are predicted correctly" in printed
    written = {path.name for path in (tmp_path / "behavior_to_operators").iterdir()}
    assert written == {"wanted.h5", "tokens.h5", "predictions.h5", "obtained.h5", "frames.png"}


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
def test_the_code_in_the_readme_runs(block: str, tmp_path: Path) -> None:
    run_python(["-c", block + "\nassert tokens.shape[1] % 3 == 0 and restored.shape == features.shape\n"], tmp_path)
    assert (tmp_path / "tokenizer.pt").exists()
