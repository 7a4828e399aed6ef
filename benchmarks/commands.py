"""Duration of whole commands, each in a process of its own, as a user runs them.

The benchmark measures ``--help`` and a dry run that selects everything automatically (medians of three), and a
production run with ten categories of 48 codes and 410 epochs without early stopping. It also measures the rate of a
large matrix product before and after the commands of a table, because shared cores are not always equally fast.

    poetry run python benchmarks/commands.py pde1d_features.h5 datasets/benchmark_4k.h5 --output results.json
    poetry run python benchmarks/commands.py --report benchmarks/results/commands.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

import markdown
import spinlock as sl
from command_line import PRODUCTION, run_spinlock
from machine import describe_device, matmul_peak

CATEGORIES, CODES = 10, 48


def measure(dataset: Path, device: torch.device, epochs: int) -> dict[str, Any]:
    """Return the seconds of the commands on a dataset, the seconds of the epochs alone, and the quality."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train = ("train-vqvae", "--config", PRODUCTION, "--input", dataset, "--device", str(device), "--output", run)
        peak_before = matmul_peak(device)
        dry_runs = [run_spinlock(*train, "--dry-run") for _ in range(3)]
        settings = [
            f"num_categories_auto={CATEGORIES}",
            f"factors={json.dumps([{'num_codes': CODES}] * 3)}",
            f"epochs={epochs}",
            f"early_stopping_patience={epochs}",
        ]
        seconds = run_spinlock(*train, *(part for setting in settings for part in ("--set", setting)))
        checkpoint = sl.Tokenizer.load(run / "last.pt").checkpoint
    history = checkpoint.history.columns
    return {
        "dataset": dataset.stem,
        "matmul_peak": [peak_before, matmul_peak(device)],
        "dry_run_seconds": statistics.median(dry_runs),
        "command_seconds": seconds,
        "epochs": history["epoch"][-1],
        "epochs_seconds": sum(value or 0.0 for value in history["seconds"]),
        "quality": checkpoint.metrics["reconstruction_quality"],
    }


def report(result: dict[str, Any]) -> str:
    """Return a table with one row for each dataset."""
    columns = (
        "table",
        "`--dry-run`",
        "whole command",
        "of which epochs",
        "quality",
        "matrix product before, after",
    )
    rows = [
        (
            r["dataset"],
            f"{r['dry_run_seconds']:.1f} s",
            f"{r['command_seconds']:.0f} s ({r['epochs']} epochs)",
            f"{r['epochs_seconds']:.0f} s",
            f"{r['quality']:.3f}",
            ", ".join(f"{value / 1e9:.0f}" for value in r["matmul_peak"]) + " GFLOP/s",
        )
        for r in result["tables"]
    ]
    return f"{result['machine']}; `--help` {result['help_seconds']:.2f} s\n\n{markdown.table(columns, rows)}"


def main() -> None:
    """Run the commands on each dataset, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="*", help="HDF5 datasets")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--epochs", type=int, default=410)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    help_seconds = statistics.median(run_spinlock("--help") for _ in range(3))
    result: dict[str, Any] = {"machine": describe_device(arguments.device), "help_seconds": help_seconds}
    result["tables"] = [measure(dataset, arguments.device, arguments.epochs) for dataset in arguments.datasets]
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
