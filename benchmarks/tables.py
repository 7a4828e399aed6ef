"""The three commands on real tables: the four targets, the chosen epoch, and how long it took.

Runs ``train-vqvae`` (production.json, unchanged but for input, output and the split seed), ``encode-to-tokens`` and
``decode-tokens`` as a user would, each in a process of its own, and prints a Markdown table.

    poetry run python benchmarks/tables.py path/to/a.h5 path/to/b.h5 --split-seeds 42 1 2 --output results.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from machine import machine
from program import PRODUCTION, spinlock


def measure(dataset: Path, split_seed: int, directory: Path, extra: list[str]) -> dict[str, Any]:
    """Train, encode and decode one table."""
    run, tokens, decoded = directory / "run", directory / "tokens.h5", directory / "decoded.h5"
    settings = ["--set", f"split_seed={split_seed}", *(part for value in extra for part in ("--set", value))]
    seconds = spinlock("train-vqvae", "--config", PRODUCTION, "--input", dataset, "--output", run, *settings)
    model = run / "best_model.pt"
    encoding = spinlock("encode-to-tokens", "--dataset", dataset, "--vqvae-model", model, "--output", tokens)
    spinlock("decode-tokens", "--tokens", tokens, "--vqvae-model", model, "--output", decoded)
    content = torch.load(model, weights_only=True)
    metrics, progress = content["metrics"], content["training_state"]["progress"]
    history = torch.load(run / "last.pt", weights_only=True)["history"]
    return {
        "table": dataset.stem,
        "split_seed": split_seed,
        "rows": content["dataset"]["num_operators"] * content["dataset"]["rows_per_operator"],
        "categories": len(content["group_indices"]),
        "start_quality": history["val_quality"][0],
        "best_epoch": progress["best_epoch"],
        "epochs": len(history["epoch"]) - 1,
        "seconds": seconds,
        "encode_seconds": encoding,
        **{name: metrics[name] for name in METRICS},
    }


METRICS = (
    "reconstruction_quality",
    "codebook_utilization",
    "inter_category_orthogonality",
    "topographic_correlation",
    "bits_per_sample",
    "quality_by_level",
    "quality_train",
)


def markdown(results: list[dict[str, Any]]) -> str:
    """One row for each table and split."""
    lines = [
        "| table (rows) | split seed | quality (epoch 0) | utilization | orthogonality | topographic | bits |"
        " categories | chosen epoch | training |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| {r['table']} ({r['rows']}) | {r['split_seed']} | {r['reconstruction_quality']:.3f} "
            f"({r['start_quality']:.3f}) | {r['codebook_utilization']:.3f} | {r['inter_category_orthogonality']:.3f} "
            f"| {r['topographic_correlation']:.3f} | {r['bits_per_sample']:.0f} | {r['categories']} "
            f"| {r['best_epoch']} of {r['epochs']} | {r['seconds']:.0f} s |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure every table with every split seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+", help="HDF5 datasets of features")
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--set", dest="extra", action="append", default=[], help="further KEY=VALUE settings")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    results = []
    for dataset in arguments.tables:
        for seed in arguments.split_seeds:
            with tempfile.TemporaryDirectory() as directory:
                results.append(measure(dataset, seed, Path(directory), arguments.extra))
            print(markdown(results[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
            if arguments.output:
                arguments.output.write_text(json.dumps({"machine": machine(), "results": results}, indent=1))
    print(f"{machine()}\n\n{markdown(results)}")


if __name__ == "__main__":
    main()
