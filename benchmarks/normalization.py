"""Quality of test rows with each normalization of the columns, at the same maximum number of bits.

For each seed, 15 % of the operators are test rows. A run minimizes the error in its own normalized units, so that its
own quality does not compare normalizations. Two values do:

- *judged quality*: 1 - sum (x - x^)^2 / sum x^2 after all columns are clipped at their 0.5 % and 99.5 % training
  quantiles and z-scored with the mean and standard deviation of the clipped training rows.
- *rank quality*: the quality after each column is replaced by its rank among the training rows.

    poetry run python benchmarks/normalization.py measure path/to/features.h5 --bits 180 --output results.json
    poetry run python benchmarks/normalization.py report results.json [more.json ...]

Combinations that the result file already holds are not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import markdown
import spinlock as sl
from held_out import rate_settings, split_test_operators
from machine import describe_device
from markdown import mean_and_half_range

METHODS = ("standard", "robust", "rank_gauss", "auto")
QUALITIES = ("quality", "judged_quality", "rank_quality")
JUDGED_PERCENTILES = (0.5, 99.5)

COLUMNS = ("table", "bits", "epochs", "seeds", "normalization", "own quality", "judged quality", "rank quality")


def judged_quality(
    train: NDArray[np.floating[Any]], rows: NDArray[np.floating[Any]], restored: NDArray[np.floating[Any]]
) -> float:
    """Return the quality of raw rows [t, U] in units that are clipped at 0.5 % of the training rows [n, U].

    Cells that are not finite are the training median. Columns that are constant after clipping do not count.
    """
    finite = np.where(np.isfinite(train), train, np.nan).astype(np.float64)
    low, middle, high = np.nanpercentile(finite, [JUDGED_PERCENTILES[0], 50, JUDGED_PERCENTILES[1]], axis=0)
    clipped = np.clip(np.where(np.isnan(finite), middle, finite), low, high)
    mean, std = clipped.mean(0), clipped.std(0)
    varies = std > 0

    def scaled(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        filled = np.where(np.isfinite(values), values, middle).astype(np.float64)
        z: NDArray[np.float64] = ((np.clip(filled, low, high) - mean) / np.where(varies, std, 1.0))[:, varies]
        return z

    return sl.metrics.reconstruction_quality(scaled(rows), scaled(restored))


def measure_method(table: sl.FeatureTable, test: sl.FeatureTable, settings: dict[str, Any]) -> dict[str, Any]:
    """Fit a tokenizer and measure it on the test rows."""
    tokenizer = sl.Tokenizer.fit(table, settings)
    report = sl.evaluate(tokenizer, test, sections=())
    kept = np.asarray(tokenizer.cleaner.kept)
    train = np.asarray(table.rows[tokenizer.checkpoint.split.train])[:, kept]
    raw = np.asarray(test.rows[np.arange(len(test.rows))])
    restored = tokenizer.decode(tokenizer.encode(raw))
    return {
        "bits": report.metrics["bits_per_sample"],
        "quality": report.metrics["reconstruction_quality"],
        "judged_quality": judged_quality(train, raw[:, kept], restored[:, kept]),
        "rank_quality": report.metrics["rank_quality"],
        "best_epoch": tokenizer.checkpoint.state.progress.best_epoch,
    }


def measure(arguments: argparse.Namespace) -> None:
    """Measure every normalization and seed that the result file lacks."""
    table = sl.read_features(arguments.table)
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "max_bits": arguments.bits,
        "epochs": arguments.epochs,
        "machine": describe_device(torch.device("cpu")),
        "seeds": {},
    }
    if arguments.output.exists():
        result = json.loads(arguments.output.read_text())
    for seed in arguments.seeds:
        seen, test = split_test_operators(table, seed)
        cells = result["seeds"].setdefault(str(seed), {})
        for method in arguments.methods:
            if method in cells:
                continue
            settings = rate_settings(arguments.bits, seed, "local")
            settings |= {"normalization_method": method, "epochs": arguments.epochs}
            cells[method] = measure_method(seen, test, settings)
            arguments.output.write_text(json.dumps(result, indent=1) + "\n")
            print(f"{arguments.table.stem}, seed {seed}, {method}: {cells[method]}", file=sys.stderr, flush=True)


def report(results: list[dict[str, Any]]) -> str:
    """Return a table with the mean over seeds ± half the range."""
    rows = []
    for result in results:
        seeds = list(result["seeds"].values())
        for method in seeds[0]:
            cells = [seed[method] for seed in seeds if method in seed]
            bits = np.mean([cell["bits"] for cell in cells])
            values = (mean_and_half_range([cell[name] for cell in cells]) for name in QUALITIES)
            rows.append(
                [result["table"], f"{bits:.0f}", str(result["epochs"]), str(len(cells)), f"`{method}`", *values]
            )
    return markdown.table(COLUMNS, rows)


def main() -> None:
    """Measure one table, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="measure one table")
    measuring.add_argument("table", type=Path, help="HDF5 dataset of features")
    measuring.add_argument("--bits", type=int, default=120)
    measuring.add_argument("--epochs", type=int, default=0)
    measuring.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    measuring.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    measuring.add_argument("--output", type=Path, required=True, help="JSON file to write")
    reporting = commands.add_parser("report", help="print the table of result files")
    reporting.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(report([json.loads(path.read_text()) for path in arguments.results]))
        return
    measure(arguments)


if __name__ == "__main__":
    main()
