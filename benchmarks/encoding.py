"""Rows per second of ``encode-to-tokens``, reconstruction error and file included.

A large table is made of rows of a real one, drawn with replacement (seed 0), and encoded by the command as a user would
run it, in a process of its own. Beside the rate that the command prints stands the rate of the whole process, which
includes starting Python and importing torch.

    poetry run python benchmarks/encoding.py --table features.h5 --vqvae-model best_model.pt --rows 200000
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import h5py
import numpy as np

from tables import machine

GROUP = "features/sdf/aggregated"


def enlarge(table: Path, rows: int, target: Path) -> None:
    """A table of ``rows`` rows drawn from those of another."""
    with h5py.File(table) as source, h5py.File(target, "w") as file:
        drawn = np.random.default_rng(0).integers(source[f"{GROUP}/features"].shape[0], size=rows)
        file[f"{GROUP}/features"] = source[f"{GROUP}/features"][:].astype(np.float32)[drawn]
        source.copy(source[f"{GROUP}/feature_names"], file[GROUP], name="feature_names")


def encode(table: Path, model: Path, output: Path) -> tuple[float, float]:
    """Rows per second as the command prints it, and the seconds of the whole process."""
    command = [sys.executable, "-m", "spinlock", "encode-to-tokens", "--dataset", table, "--vqvae-model", model]
    started = time.perf_counter()
    done = subprocess.run([*map(str, command), "--output", str(output), "--overwrite"], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    said = re.search(r"([0-9]+) rows per second", done.stdout + done.stderr)
    if done.returncode != 0 or said is None:
        raise SystemExit(done.stderr)
    return float(said[1]), seconds


def main() -> None:
    """Encode several times and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="HDF5 dataset of features")
    parser.add_argument("--vqvae-model", type=Path, required=True, help="best_model.pt trained on it")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.h5"
        enlarge(arguments.table, arguments.rows, large)
        runs = [encode(large, arguments.vqvae_model, Path(folder) / "tokens.h5") for _ in range(arguments.repeats)]
    result = {
        "table": arguments.table.stem,
        "rows": arguments.rows,
        "machine": machine(),
        "rows_per_second": median(rate for rate, _ in runs),
        "process_rows_per_second": arguments.rows / median(seconds for _, seconds in runs),
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
