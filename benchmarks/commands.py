"""Seconds of whole commands, each a process of its own from a cold start, as a user would run them.

``--help``, a dry run with everything automatic (both median of three), and a production run to its end: ten categories
of 48 codes, 410 epochs, nothing stopped early. Before and after the run of a table the rate of a large matrix product
is measured: cores that are shared are not always equally fast.

    poetry run python benchmarks/commands.py pde1d_features.h5 datasets/benchmark_4k.h5 --output results.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

from machine import described, matmul_peak
from program import PRODUCTION, spinlock

CATEGORIES, CODES, EPOCHS = 10, 48, 410


def measure(dataset: Path, device: torch.device) -> dict[str, Any]:
    """Seconds of the commands on a dataset, those that training says its epochs took, and what it reaches."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train = ("train-vqvae", "--config", PRODUCTION, "--input", dataset, "--device", str(device), "--output", run)
        before = matmul_peak(device)
        dry = [spinlock(*train, "--dry-run") for _ in range(3)]
        sizes = [f"num_categories_auto={CATEGORIES}", f"factors={json.dumps([{'num_codes': CODES}] * 3)}"]
        sizes.append(f"early_stopping_patience={EPOCHS}")
        command = spinlock(*train, *(part for size in sizes for part in ("--set", size)))
        content = torch.load(run / "last.pt", weights_only=True)
    return {
        "dataset": dataset.stem,
        "matmul_peak": [before, matmul_peak(device)],
        "dry_run_seconds": statistics.median(dry),
        "command_seconds": command,
        "epochs": content["history"]["epoch"][-1],
        "epochs_seconds": sum(content["history"]["seconds"]),
        "quality": content["metrics"]["reconstruction_quality"],
    }


def markdown(result: dict[str, Any]) -> str:
    """One line for each table."""
    lines = [
        f"{result['machine']}; `--help` {result['help_seconds']:.2f} s\n",
        "| table | `--dry-run` | 410 epochs, whole command | its epochs | quality | matmul peak before, after |",
        "|---|---|---|---|---|---|",
    ]
    for r in result["tables"]:
        peak = ", ".join(f"{value / 1e9:.0f}" for value in r["matmul_peak"])
        lines.append(
            f"| {r['dataset']} | {r['dry_run_seconds']:.1f} s | {r['command_seconds']:.0f} s "
            f"| {r['epochs_seconds']:.0f} s | {r['quality']:.4f} | {peak} GFLOP/s |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the commands on each dataset in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", help="HDF5 datasets")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    answers = [spinlock("--help") for _ in range(3)]
    result: dict[str, Any] = {"machine": described(arguments.device), "help_seconds": statistics.median(answers)}
    result["tables"] = [measure(dataset, arguments.device) for dataset in arguments.datasets]
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(markdown(result))


if __name__ == "__main__":
    main()
