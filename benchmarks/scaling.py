"""Time of training over the number of rows and over the number of columns, with the slopes of both.

``rows`` generates tables of 40 columns, and measures the seconds of an epoch and of encoding. ``columns`` measures the
dry run of tables of 300 rows, in which most of the time is the search for categories; the tables are those of
``wide_tables.py``. ``plot`` draws both. The slope of a line is the exponent p of the time t ~ n^p, fitted to its points
by least squares in logarithms.

    poetry run python benchmarks/scaling.py rows 4000 40000 400000 4000000 --output benchmarks/results/scaling.json
    poetry run python benchmarks/scaling.py columns 100 500 1500 5000 20000 --output benchmarks/results/scaling.json
    poetry run python benchmarks/scaling.py plot benchmarks/results/scaling.json --picture docs/performance.png
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np

import markdown
from command_line import PRODUCTION, run_spinlock
from machine import describe_machine
from wide_tables import measure_process, wide_table

ROWS_OF_WIDE, COLUMNS_OF_LONG, RANK = 300, 40, 8
CHUNK = 4096
"""Rows of a chunk of the generated file, and rows that are generated at once."""

EPOCHS = 3
GROUP = "features/sdf/aggregated/features"


def write_long_table(path: Path, rows: int) -> None:
    """Write a table of 40 columns, which are combinations of 8 Gaussian factors and noise."""
    loadings = np.random.default_rng(0).standard_normal((RANK, COLUMNS_OF_LONG))
    with h5py.File(path, "w") as file:
        chunks = (min(CHUNK, rows), COLUMNS_OF_LONG)
        table = file.create_dataset(GROUP, (rows, COLUMNS_OF_LONG), np.float32, chunks=chunks)
        for start in range(0, rows, CHUNK):
            rng, count = np.random.default_rng([1, start]), min(CHUNK, rows - start)
            factors = rng.standard_normal((count, RANK))
            table[start : start + count] = factors @ loadings + 0.5 * rng.standard_normal((count, COLUMNS_OF_LONG))


def measure_rows(rows: int) -> dict[str, Any]:
    """Train for 3 epochs and encode; the time of an epoch is the median of those in the history."""
    with tempfile.TemporaryDirectory() as folder:
        table, run = Path(folder) / "table.h5", Path(folder) / "run"
        write_long_table(table, rows)
        settings = ("--epochs", str(EPOCHS), "--no-torch-compile", "--set", "val_every_n_epochs=3")
        train = run_spinlock("train-vqvae", "--config", PRODUCTION, "--input", table, "--output", run, *settings)
        model, tokens = run / "best_model.pt", Path(folder) / "tokens.h5"
        encode = run_spinlock("encode-to-tokens", "--dataset", table, "--vqvae-model", model, "--output", tokens)
        history = json.loads((run / "training_history.json").read_text())
        epoch = median(history["seconds"][1:])  # the first record is epoch 0
    load = os.getloadavg()[0]
    return {"rows": rows, "epoch": epoch, "train": train, "encode": encode, "load_average": load}


def measure_columns(columns: int) -> dict[str, Any]:
    """Measure the dry run of a table of 300 rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.h5"
        with h5py.File(path, "w") as file:
            file[GROUP] = wide_table(ROWS_OF_WIDE, columns)
        command = ("-m", "spinlock", "train-vqvae", "--config", str(PRODUCTION), "--input", str(path), "--dry-run")
        return {"columns": columns, "load_average": os.getloadavg()[0], **measure_process(*command)}


def slope(sizes: list[float], seconds: list[float]) -> float:
    """Return the exponent p of the time t ~ n^p, by least squares in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def report(content: dict[str, Any]) -> str:
    """Return a table over rows and one over columns."""
    rows = [
        [f"{r['rows']:,}", *(f"{r[name]:.3g} s" for name in ("epoch", "train", "encode")), f"{r['load_average']:.1f}"]
        for r in content["rows"]
    ]
    columns = [
        [
            f"{c['columns']:,}",
            f"{c['seconds']:.0f} s ({c['cpu']:.0f} s)",
            f"{c['memory_gb']:.2f}",
            f"{c['load_average']:.1f}",
        ]
        for c in content["columns"]
    ]
    head = ("rows", "an epoch", f"`train-vqvae`, {EPOCHS} epochs", "`encode-to-tokens`", "load")
    over_columns = ("columns", "`--dry-run` (processor time)", "GB", "load")
    return "\n\n".join([content["machine"], markdown.table(head, rows), markdown.table(over_columns, columns)])


def plot(content: dict[str, Any], path: Path) -> None:
    """Draw the time over rows and over columns, with logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    rows, columns = content["rows"], content["columns"]
    sizes = [float(r["rows"]) for r in rows]
    for name, label, color in (
        ("train", f"train-vqvae, {EPOCHS} epochs", "#6a9a3b"),
        ("epoch", "an epoch", "#1f4e9c"),
        ("encode", "encode-to-tokens", "#d1661b"),
    ):
        seconds = [r[name] for r in rows]
        left.loglog(sizes, seconds, "o-", color=color, label=f"{label} (slope {slope(sizes, seconds):.2f})")
    widths = [float(c["columns"]) for c in columns]
    for name, label, color in (("seconds", "--dry-run", "#1f4e9c"), ("cpu", "its processor time", "#6a9a3b")):
        seconds = [c[name] for c in columns]
        right.loglog(widths, seconds, "o-", color=color, label=f"{label} (slope {slope(widths, seconds):.2f})")
    left.set(xlabel=f"rows (of {COLUMNS_OF_LONG} columns)", ylabel="time (s)")
    right.set(xlabel=f"columns (of {ROWS_OF_WIDE} rows)", ylabel="time (s)")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=9)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure, plot, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("rows", "columns"):
        measuring = commands.add_parser(name, help=f"measure the time over the number of {name}")
        measuring.add_argument("sizes", type=int, nargs="+")
        measuring.add_argument("--output", type=Path, required=True, help="JSON file to write or to continue")
    drawing = commands.add_parser("plot", help="draw a result file")
    drawing.add_argument("results", type=Path)
    drawing.add_argument("--picture", type=Path, required=True, help="PNG to write")
    reporting = commands.add_parser("report", help="print the tables of a result file")
    reporting.add_argument("results", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(report(json.loads(arguments.results.read_text())))
        return
    if arguments.command == "plot":
        plot(json.loads(arguments.results.read_text()), arguments.picture)
        return
    output: Path = arguments.output
    content: dict[str, Any] = {"rows": [], "columns": []}
    if output.exists():
        content = json.loads(output.read_text())
    content["machine"] = describe_machine()
    function = measure_rows if arguments.command == "rows" else measure_columns
    for size in arguments.sizes:
        kept = [result for result in content[arguments.command] if result[arguments.command] != size]
        content[arguments.command] = sorted([*kept, function(size)], key=lambda result: result[arguments.command])
        output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
