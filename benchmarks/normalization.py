"""Quality of test rows with each normalization of the columns, at the same maximum number of bits.

For each seed, 15 % of the operators are test rows. A run minimizes the error in its own normalized units, so that its
own quality does not compare normalizations. Two values do:

- *judged quality*: 1 - sum (x - x^)^2 / sum x^2 after all columns are clipped at their 0.5 % and 99.5 % training
  quantiles and z-scored with the mean and standard deviation of the clipped training rows.
- *rank quality*: the quality after each column is replaced by its rank among the training rows.

The methods ``asinh`` and ``yeo_johnson`` are ``auto`` with another function for the heavy-tailed columns:
asinh((x - median) / s), where s is the interquartile range / 1.349, or the standard deviation if that is zero; and the
power transformation of Yeo and Johnson (2000), which scikit-learn fits to each column.

    poetry run python benchmarks/normalization.py measure path/to/features.h5 --bits 180 --output results.json
    poetry run python benchmarks/normalization.py report results.json [more.json ...]

Combinations that the result file already holds are not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import PowerTransformer

import markdown
import spinlock as sl
from held_out import rate_settings, split_test_operators
from machine import describe_device
from markdown import mean_and_half_range
from spinlock.preprocessing.knots import Curve, normal_scores
from spinlock.preprocessing.tails import MAX_KNOTS

METHODS = ("standard", "robust", "rank_gauss", "auto", "asinh", "yeo_johnson")
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


def asinh_scores(column: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return asinh((x - median) / s) at the knots [Q] of a column [n]."""
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    scores: NDArray[np.float64] = np.arcsinh((knots - middle) / ((high - low) / 1.349 or column.std()))
    return scores


def yeo_johnson_scores(column: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power transformation at the knots [Q] of a column [n], which is standardized before."""
    center, scale = column.mean(), column.std()
    power = PowerTransformer(method="yeo-johnson").fit((column[:, None] - center) / scale)
    scores: NDArray[np.float64] = power.transform((knots[:, None] - center) / scale)[:, 0]
    return scores


SCORES = {"asinh": asinh_scores, "yeo_johnson": yeo_johnson_scores}


def heavy_curve_of(scores: Callable[..., NDArray[np.float64]]) -> Callable[[NDArray[np.float64], float], Curve]:
    """Return a function with the signature of the one that ``auto`` calls for each heavy-tailed column."""

    def heavy_curve(column: NDArray[np.float64], weight: float) -> Curve:
        values, _ = normal_scores(column, MAX_KNOTS)
        z = scores(column, values)
        distinct = np.append(True, np.diff(np.maximum.accumulate(z)) > 0)
        values, z = values[distinct], z[distinct]
        rows = np.interp(column, values, z)
        return values, (z - rows.mean()) / rows.std()

    return heavy_curve


def fit_tokenizer(table: sl.FeatureTable, settings: dict[str, Any], method: str) -> sl.Tokenizer:
    """Fit a tokenizer with a normalization of :data:`METHODS`."""
    scores = SCORES.get(method)
    replaced = mock.patch("spinlock.preprocessing.tails._heavy_curve", heavy_curve_of(scores)) if scores else None
    with replaced or nullcontext():
        return sl.Tokenizer.fit(table, settings | {"normalization_method": "auto" if scores else method})


def measure_method(
    table: sl.FeatureTable, test: sl.FeatureTable, settings: dict[str, Any], method: str
) -> dict[str, Any]:
    """Fit a tokenizer and measure it on the test rows."""
    tokenizer = fit_tokenizer(table, settings, method)
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
            settings = rate_settings(arguments.bits, seed, "local") | {"epochs": arguments.epochs}
            cells[method] = measure_method(seen, test, settings, method)
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
