"""Which setting of Spinlock makes training reduce the quality? Variants of :mod:`peer_network` change one at a time.

The first variant has the batches and epochs of ``configs/vqvae/production.json``. The name of each other variant lists
all its differences from the first one. All of them start from principal axes and k-means. The quality of the last epoch
is measured, because the best epoch would hide that training reduces the quality.

    poetry run python benchmarks/peer_changes.py measure path/to/features.h5 --bits 120 --output results.json
    poetry run python benchmarks/peer_changes.py report results.json

Combinations of variant and seed that the output file already holds are not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import markdown
from machine import describe_device
from markdown import mean_and_half_range
from peer_network import NetworkSettings
from peer_training import train_network
from quality import Case, make_case

EPOCHS = 410

PEER = NetworkSettings(hidden=256, batch=1024, learning_rate=1e-2)
WIDE = 126
"""Maximum width of an embedding in ``configs/vqvae/production.json``."""

VARIANTS: dict[str, NetworkSettings] = {
    "peer": PEER,
    "peer, points between rows": replace(PEER, interpolated=True),
    "peer, topographic loss": replace(PEER, topographic_weight=0.45),
    "peer, EMA decay 0.995": replace(PEER, decay=0.995),
    "peer, embeddings of width 126": replace(PEER, width=WIDE),
    "peer, embeddings of width 126, steps by coordinate": replace(PEER, width=WIDE, steps_by_coordinate=True),
    "peer, EMA decay 0.995, embeddings of width 126": replace(PEER, decay=0.995, width=WIDE),
    "peer, learning rate 0.0007": replace(PEER, learning_rate=7e-4),
    "peer, weight decay 0.5": replace(PEER, weight_decay=0.5),
    "peer, weight decay 0.5, points between rows": replace(PEER, weight_decay=0.5, interpolated=True),
}

COLUMNS = ("variant", "training rows: last epoch - epoch 0", "test rows: last epoch - epoch 0", "test rows, last epoch")


def measure_variant(case: Case, settings: NetworkSettings, epochs: int) -> dict[str, Any]:
    """Train a variant, and measure the quality of its first and its last epoch on training and test rows."""
    groups, codes = case.plan.spec.groups, [sizes[0] for sizes in case.plan.spec.num_codes]
    train, validation, test = (torch.from_numpy(part) for part in (case.train, case.validation, case.test))
    result: dict[str, Any] = {"settings": asdict(settings)}
    started = time.perf_counter()
    for name, count in (("initial", 0), ("last", epochs)):
        network = train_network(
            train, validation, groups, codes, settings, epochs=count, seed=case.seed, select_epoch=False
        ).network
        result[name] = {"training": network.quality(train), "test": network.quality(test)}
    return result | {"seconds": time.perf_counter() - started}


def measure(path: Path, bits: int, seeds: list[int], epochs: int, output: Path) -> dict[str, Any]:
    """Measure each variant and seed that the output file lacks, and return all results."""
    results: dict[str, Any] = {
        "table": path.stem,
        "bits": bits,
        "epochs": epochs,
        "machine": describe_device(torch.device("cpu")),
        "seeds": {},
    }
    if output.exists():
        results = json.loads(output.read_text())
        if (results["table"], results["bits"], results["epochs"]) != (path.stem, bits, epochs):
            raise SystemExit(f"{output} has results of another table, rate or number of epochs")
    for seed in seeds:
        measured = results["seeds"].setdefault(str(seed), {})
        case = make_case(path, bits, seed)
        for name, settings in VARIANTS.items():
            if name in measured:
                continue
            measured[name] = measure_variant(case, settings, epochs)
            output.write_text(json.dumps(results, indent=1) + "\n")
            print(f"seed {seed}, {name}: {measured[name]['initial']} to {measured[name]['last']}", file=sys.stderr)
    return results


def report(results: dict[str, Any]) -> str:
    """Return the table of the variants: means over the seeds that measured all of them, ± half the range."""
    seeds = [seed for seed, measured in results["seeds"].items() if set(measured) >= set(VARIANTS)]
    if not seeds:
        raise SystemExit("no seed has all variants")
    rows = []
    for name in VARIANTS:
        runs = [results["seeds"][seed][name] for seed in seeds]
        gains = [[run["last"][part] - run["initial"][part] for run in runs] for part in ("training", "test")]
        last = [run["last"]["test"] for run in runs]
        rows.append([name, *(mean_and_half_range(values, 4) for values in (*gains, last))])
    title = (
        f"### {results['table']}: {results['bits']} bits, {results['epochs']} epochs, seeds {', '.join(seeds)} "
        f"({results['machine']})"
    )
    return f"{title}\n\n{markdown.table(COLUMNS, rows)}"


def main() -> None:
    """Measure a table, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="train all variants")
    measuring.add_argument("table", type=Path, help="HDF5 dataset of features")
    measuring.add_argument("--bits", type=int, default=120)
    measuring.add_argument("--epochs", type=int, default=EPOCHS)
    measuring.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    measuring.add_argument("--output", type=Path, required=True)
    reporting = commands.add_parser("report", help="print the table of a result file")
    reporting.add_argument("results", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(report(json.loads(arguments.results.read_text())))
        return
    print(report(measure(arguments.table, arguments.bits, arguments.seeds, arguments.epochs, arguments.output)))


if __name__ == "__main__":
    main()
