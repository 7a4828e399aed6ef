"""Rows per second of ``Tokenizer.encode_file``, including the reconstruction errors and the token file.

Large tables consist of rows of a real table, drawn with replacement with seed 0. Beside the rate of the function the
benchmark measures

- the rate of the whole ``encode-to-tokens`` command, which starts Python and imports torch,
- the rate of reading the file alone,
- the fraction of the peak rate of a large matrix product that encoding reaches, for local tokens. It counts the matrix
  products of the code search and of the reconstruction.

    poetry run python benchmarks/encoding.py --table features.h5 --vqvae-model best_model.pt --rows 4000 50000 400000
    poetry run python benchmarks/encoding.py --report benchmarks/results/encoding_*.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
import torch

import markdown
import spinlock as sl
from command_line import run_spinlock
from machine import describe_machine, matmul_peak
from spinlock.io.features import open_features

BLOCK = 8192
"""Rows that are read at a time."""

GROUP = "features/sdf/aggregated"


def write_sample(table: Path, rows: int, target: Path) -> None:
    """Write a table of rows that are drawn from another table."""
    with h5py.File(table) as source, h5py.File(target, "w") as file:
        drawn = np.random.default_rng(0).integers(source[f"{GROUP}/features"].shape[0], size=rows)
        file[f"{GROUP}/features"] = source[f"{GROUP}/features"][:].astype(np.float32)[drawn]
        source.copy(source[f"{GROUP}/feature_names"], file[GROUP], name="feature_names")


def reading_rate(table: Path) -> float:
    """Return the rows per second of reading the features.

    The Python interface reads a whole table; encoding reads blocks of rows, and their rate is measured here.
    """
    started = time.perf_counter()
    with open_features(table, family="sdf", feature_type="aggregated") as source:
        for _ in source.blocks(BLOCK):
            pass
        return source.num_rows / (time.perf_counter() - started)


def operations_per_row(tokenizer: sl.Tokenizer) -> float | None:
    """Return the floating-point operations of the matrix products of one row.

    Counted are the encoders, the costs of the codes, and the second layer of the decoder. The result is None for joint
    tokens, because the number of sweeps over the categories depends on the row.
    """
    spec = tokenizer.model.spec
    if spec.assignment == "joint":
        return None
    products = spec.decoder_dim * spec.num_columns
    for group, sizes in zip(spec.groups, spec.num_codes, strict=True):
        products += len(group) * (spec.hidden_dim + sum(sizes)) + spec.hidden_dim * sum(sizes)
    return 2.0 * products


def measure(table: Path, model: Path, rows: int, repeats: int) -> dict[str, float | None]:
    """Return the medians over several repetitions for a table with the given number of rows."""
    tokenizer = sl.Tokenizer.load(model)
    with tempfile.TemporaryDirectory() as folder:
        sample, tokens = Path(folder) / "sample.h5", Path(folder) / "tokens.h5"
        write_sample(table, rows, sample)
        seconds = median(tokenizer.encode_file(sample, tokens, overwrite=True).seconds for _ in range(repeats))
        command = ("encode-to-tokens", "--dataset", sample, "--vqvae-model", model, "--output", tokens, "--overwrite")
        command_seconds = median(run_spinlock(*command) for _ in range(repeats))
        reading = median(reading_rate(sample) for _ in range(repeats))
    operations = operations_per_row(tokenizer)
    peak = matmul_peak(torch.device("cpu"))
    return {
        "rows": rows,
        "rows_per_second": rows / seconds,
        "command_rows_per_second": rows / command_seconds,
        "reading_rows_per_second": reading,
        "fraction_of_peak": None if operations is None else operations * rows / seconds / peak,
    }


def report(results: list[dict[str, Any]]) -> str:
    """Return a table with one row for each assignment and number of rows."""
    columns = (
        "assignment",
        "rows",
        "encode_file (rows/s)",
        "encode-to-tokens (rows/s)",
        "reading only (rows/s)",
        "fraction of matmul peak",
    )
    rows = [
        (
            result["assignment"],
            f"{r['rows']:,}",
            f"{r['rows_per_second']:,.0f}",
            f"{r['command_rows_per_second']:,.0f}",
            f"{r['reading_rows_per_second']:,.0f}",
            "-" if r["fraction_of_peak"] is None else f"{100 * r['fraction_of_peak']:.0f} %",
        )
        for result in results
        for r in result["tables"]
    ]
    first = results[0]
    title = f"{first['table']}, {first['categories']} categories, {first['tokens_per_row']} tokens per row"
    return f"{title} ({first['machine']})\n\n{markdown.table(columns, rows)}"


def main() -> None:
    """Encode tables of several sizes, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="HDF5 dataset of features")
    parser.add_argument("--vqvae-model", type=Path, help="best_model.pt of a run on this dataset")
    parser.add_argument("--rows", type=int, nargs="+", default=(200_000,))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, nargs="+", help="print the table of these result files")
    arguments = parser.parse_args()
    if arguments.report:
        print(report([json.loads(path.read_text()) for path in arguments.report]))
        return
    if arguments.table is None or arguments.vqvae_model is None:
        parser.error("--table and --vqvae-model are needed to measure")
    spec = sl.Tokenizer.load(arguments.vqvae_model).model.spec
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "machine": describe_machine(),
        "assignment": spec.assignment,
        "categories": spec.num_categories,
        "tokens_per_row": len(spec.token_columns()),
        "tables": [measure(arguments.table, arguments.vqvae_model, rows, arguments.repeats) for rows in arguments.rows],
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(report([result]))


if __name__ == "__main__":
    main()
