"""Rows per second of ``Tokenizer.encode_file``, including the reconstruction errors and the token file.

Large tables consist of rows of a real table, drawn with replacement with seed 0. Beside the rate of the function the
benchmark measures

- the rate of the whole ``encode-to-tokens`` command, which starts Python and imports torch,
- the rate of reading the file alone,
- the microseconds per row that cleaning and the codec take in one thread,
- the arithmetic limit: the rate of encoding if all cores did only the matrix products, at the peak rate of a large
  product. For joint tokens it counts one sweep over the categories, which every row needs; most rows need more.

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
from threadpoolctl import threadpool_limits

import markdown
import spinlock as sl
from command_line import run_spinlock
from machine import describe_machine, matmul_peak
from spinlock.io.features import open_features
from spinlock.model.codec import BLOCK as CODEC_BLOCK
from spinlock.model.codec import make_codec
from spinlock.runtime.threads import single_threaded

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


def operations_per_row(tokenizer: sl.Tokenizer) -> float:
    """Return the floating-point operations of the matrix products of one row.

    Counted are the encoders, the costs of the codes, and the second layer of the decoder (local tokens) or one sweep
    over the categories and both layers of the refinement (joint tokens).
    """
    spec = tokenizer.model.spec
    products = 0
    for group, sizes in zip(spec.groups, spec.num_codes, strict=True):
        products += len(group) * (spec.hidden_dim + sum(sizes)) + spec.hidden_dim * sum(sizes)
    if spec.assignment == "joint":
        codes = sum(sum(sizes) for sizes in spec.num_codes)
        return 2.0 * (products + codes * spec.num_columns + 2 * spec.hidden_dim * spec.num_columns)
    return 2.0 * (products + spec.decoder_dim * spec.num_columns)


def thread_microseconds(tokenizer: sl.Tokenizer, table: Path, repeats: int) -> tuple[float, float]:
    """Return the microseconds per row of cleaning and of the codec in one thread, medians over the first blocks."""
    cleaner, codec = tokenizer.checkpoint.cleaner, make_codec(tokenizer.model)
    with open_features(table, family="sdf", feature_type="aggregated") as source:
        rows = next(block for _, block in source.blocks(BLOCK))
    blocks = [rows[start : start + CODEC_BLOCK] for start in range(0, len(rows), CODEC_BLOCK)]
    seconds: tuple[list[float], list[float]] = ([], [])
    with single_threaded(torch.device("cpu")), threadpool_limits(1):
        for block in blocks * repeats:
            started = time.perf_counter()
            cleaned = torch.from_numpy(cleaner.transform(block).values)
            middle = time.perf_counter()
            codec.encode(cleaned)
            seconds[0].append((middle - started) / len(block))
            seconds[1].append((time.perf_counter() - middle) / len(block))
    cleaning, codec_seconds = (1e6 * median(values) for values in seconds)
    return cleaning, codec_seconds


def measure(table: Path, model: Path, rows: int, repeats: int) -> dict[str, float]:
    """Return the medians over several repetitions for a table with the given number of rows."""
    tokenizer = sl.Tokenizer.load(model)
    with tempfile.TemporaryDirectory() as folder:
        sample, tokens = Path(folder) / "sample.h5", Path(folder) / "tokens.h5"
        write_sample(table, rows, sample)
        seconds = median(tokenizer.encode_file(sample, tokens, overwrite=True).seconds for _ in range(repeats))
        command = ("encode-to-tokens", "--dataset", sample, "--vqvae-model", model, "--output", tokens, "--overwrite")
        command_seconds = median(run_spinlock(*command) for _ in range(repeats))
        reading = median(reading_rate(sample) for _ in range(repeats))
        cleaning, codec = thread_microseconds(tokenizer, sample, repeats)
    return {
        "rows": rows,
        "rows_per_second": rows / seconds,
        "command_rows_per_second": rows / command_seconds,
        "reading_rows_per_second": reading,
        "cleaning_microseconds": cleaning,
        "codec_microseconds": codec,
    }


def report(results: list[dict[str, Any]]) -> str:
    """Return a table with one row for each assignment and number of rows."""
    columns = (
        "assignment",
        "rows",
        "encode_file (rows/s)",
        "encode-to-tokens (rows/s)",
        "reading only (rows/s)",
        "cleaning, codec (µs per row in one thread)",
        "arithmetic limit (rows/s)",
    )
    rows = [
        (
            result["assignment"],
            f"{r['rows']:,}",
            f"{r['rows_per_second']:,.0f}",
            f"{r['command_rows_per_second']:,.0f}",
            f"{r['reading_rows_per_second']:,.0f}",
            f"{r['cleaning_microseconds']:.0f}, {r['codec_microseconds']:.0f}",
            f"{result['matmul_peak'] / result['operations_per_row']:,.0f}",
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
    tokenizer = sl.Tokenizer.load(arguments.vqvae_model)
    spec = tokenizer.model.spec
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "machine": describe_machine(),
        "assignment": spec.assignment,
        "categories": spec.num_categories,
        "tokens_per_row": len(spec.token_columns()),
        "operations_per_row": operations_per_row(tokenizer),
        "matmul_peak": matmul_peak(torch.device("cpu")),
        "tables": [measure(arguments.table, arguments.vqvae_model, rows, arguments.repeats) for rows in arguments.rows],
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(report([result]))


if __name__ == "__main__":
    main()
