"""Rows per second of ``encode-to-tokens``, reconstruction error and file included.

Large tables are made of rows of a real one, drawn with replacement (seed 0), and encoded by the command as a user would
run it, in a process of its own. Beside the rate that the command prints stand the rate of the whole process, which
includes starting Python and importing torch, that of reading the file alone, and the share of the peak rate of a large
matrix product (measured here) that the products of encoding reach, of local tokens and their reconstruction error.

    poetry run python benchmarks/encoding.py --table features.h5 --vqvae-model best_model.pt --rows 4000 50000 400000
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
from typing import Any

import h5py
import numpy as np
import torch

from machine import machine, matmul_peak
from spinlock.checkpoint.file import load_checkpoint
from spinlock.io.features import open_features

BLOCK = 8192
"""Rows that are read at once."""

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


def read(table: Path) -> float:
    """Rows per second of reading the features alone."""
    started = time.perf_counter()
    with open_features(table, family="sdf", feature_type="aggregated") as source:
        for _, _ in source.blocks(BLOCK):
            pass
        return source.num_rows / (time.perf_counter() - started)


def operations(model: Path) -> float | None:
    """Floating-point operations of the matrix products of a row: costs of the codes, and the decoder's second layer.

    None for joint codes, whose sweeps end when a row no longer changes.
    """
    spec = load_checkpoint(model).spec
    if spec.assignment == "joint":
        return None
    products = spec.decoder_dim * spec.num_columns
    for group, sizes in zip(spec.groups, spec.num_codes, strict=True):
        products += len(group) * (spec.hidden_dim + sum(sizes)) + spec.hidden_dim * sum(sizes)
    return 2.0 * products


def measure(table: Path, model: Path, rows: int, repeats: int) -> dict[str, float | None]:
    """Medians over several runs on a table of so many rows."""
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.h5"
        enlarge(table, rows, large)
        runs = [encode(large, model, Path(folder) / "tokens.h5") for _ in range(repeats)]
        reading = median(read(large) for _ in range(repeats))
    rate, counted = median(rate for rate, _ in runs), operations(model)
    return {
        "rows": rows,
        "rows_per_second": rate,
        "process_rows_per_second": rows / median(seconds for _, seconds in runs),
        "reading_rows_per_second": reading,
        "share_of_peak": None if counted is None else counted * rate / matmul_peak(torch.device("cpu")),
    }


def main() -> None:
    """Encode several times and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="HDF5 dataset of features")
    parser.add_argument("--vqvae-model", type=Path, required=True, help="best_model.pt trained on it")
    parser.add_argument("--rows", type=int, nargs="+", default=(200_000,))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    spec = load_checkpoint(arguments.vqvae_model).spec
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "machine": machine(),
        "assignment": spec.assignment,
        "categories": spec.num_categories,
        "tokens": 3 * spec.num_categories,
        "tables": [measure(arguments.table, arguments.vqvae_model, rows, arguments.repeats) for rows in arguments.rows],
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
