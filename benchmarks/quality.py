"""Quality of held-out rows at equal bits: Spinlock, faiss, a network with ResidualVQ, and the Gaussian reference R(D).

For each table and seed, 15 % of the operators are test rows, which no method sees while it is fitted or selected.
Spinlock splits the other operators into training and validation rows, and all methods get the same two sets. Spinlock
gets the number of bits (``max_bits``, with ``target_quality`` 1) and selects everything else on training rows. The
settings of the peers are searched on the validation rows of the first seed, and the best settings are used for all
seeds. The result files hold every trial.

    poetry install --with peers
    poetry run python benchmarks/quality.py measure path/to/features.h5 [more.h5 ...] --output benchmarks/results
    poetry run python benchmarks/quality.py report benchmarks/results/quality_*.json --plot docs/quality.png
    poetry run python benchmarks/quality.py gains benchmarks/results/quality_*.json

Combinations of method, bits and seed that a result file already holds are not measured again, so that an interrupted
run can be continued.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import quality_report
import spinlock as sl
from held_out import rate_settings, split_test_operators, token_quality
from machine import describe_device
from peer_result import Rows
from quality_report import METHODS, Cell
from spinlock.config import config_from_mapping
from spinlock.training.plan import Plan, make_plan
from spinlock.training.run import Run

BITS = (120, 180, 300)
SEEDS = (0, 1, 2)
EPOCHS = {"local": 410, "joint": 200, "network": 150}
"""Epochs of each method that is trained."""

ENCODED_ROWS = 20_000
"""Number of rows whose encoding is timed."""


@dataclass(frozen=True)
class Case:
    """One table, rate and seed.

    ``table`` holds the operators for fitting, and ``test_table`` the test operators. ``plan`` has the split, the
    cleaning, the categories and the codebook sizes of local tokens. ``test`` are the test rows [t, D] in normalized
    units.
    """

    bits: int
    seed: int
    table: sl.FeatureTable
    test_table: sl.FeatureTable
    plan: Plan
    test: Rows

    @property
    def train(self) -> Rows:
        """Training rows [n, D] in normalized units."""
        return self.plan.data.train.numpy()

    @property
    def validation(self) -> Rows:
        """Validation rows [m, D] in normalized units."""
        return self.plan.data.validation.numpy()


def make_case(path: Path, bits: int, seed: int) -> Case:
    """Set the test operators aside and plan a run with local tokens."""
    table, test_table = split_test_operators(sl.read_features(path), seed)
    # The peers need the normalized rows and the categories of a plan, which the Python interface does not return.
    plan = make_plan(table, config_from_mapping(rate_settings(bits, seed, "local"), where="benchmark"))
    test = plan.data.cleaner.transform(test_table.rows).values
    return Case(bits, seed, table, test_table, plan, test)


class MeasureInitialization(sl.Callback):
    """Measures the network before its first step on test rows, and the time at which training starts."""

    def __init__(self, table: sl.FeatureTable) -> None:
        self.table = table
        self.quality = math.nan
        self.time = math.nan

    def on_start(self, run: Run) -> None:
        """Measure the initialized network."""
        self.time = time.perf_counter()
        rows = run.plan.data.cleaner.transform(self.table.rows).values
        self.quality = token_quality(run.state.model, torch.from_numpy(rows))


def measure_spinlock(case: Case, assignment: str, epochs: int) -> Cell:
    """Fit a tokenizer and measure it on the test rows."""
    initialization = MeasureInitialization(case.test_table)
    settings = rate_settings(case.bits, case.seed, assignment)
    started = time.perf_counter()
    tokenizer = sl.Tokenizer.fit(case.table, settings, epochs=epochs, callbacks=[initialization])
    seconds = time.perf_counter() - started
    metrics = sl.evaluate(tokenizer, case.test_table, sections=()).metrics
    return {
        "bits": metrics["bits_per_sample"],
        "quality": metrics["reconstruction_quality"],
        "rank_quality": metrics["rank_quality"],
        "train_quality": tokenizer.metrics["quality_train"],
        "initial_quality": initialization.quality,
        "utilization": metrics["codebook_utilization"],
        "topographic_correlation": metrics["topographic_correlation"],
        "max_centroid_cosine": tokenizer.metrics["inter_category_orthogonality"],
        "seconds": seconds,
        "rows_per_second": encoding_rate(tokenizer, case.test_table.rows),
        "settings": {
            "categories": len(tokenizer.categories),
            "codes": [sizes[0] for sizes in tokenizer.codebook_sizes.values()],
            "best_epoch": tokenizer.checkpoint.state.progress.best_epoch,
            "seconds_before_training": initialization.time - started,
        },
    }


def encoding_rate(tokenizer: sl.Tokenizer, rows: Rows) -> float:
    """Return the rows per second of ``Tokenizer.encode`` for rows in memory."""
    many = np.resize(rows, (ENCODED_ROWS, rows.shape[1]))
    tokenizer.encode(many[:2048])
    started = time.perf_counter()
    tokenizer.encode(many)
    return ENCODED_ROWS / (time.perf_counter() - started)


def measure_faiss(case: Case, settings: dict[str, Any] | None) -> tuple[Cell, list[Any]]:
    """Search the settings if they are not given, fit, and measure; return the cell and the trials of the search."""
    import peer_faiss  # needs the optional group "peers"

    trials: list[Any] = []
    if settings is None:
        selected, trials = peer_faiss.search_faiss(case.train, case.validation, case.bits, case.seed)
    else:
        selected = peer_faiss.FaissSettings(**settings)
    result = peer_faiss.run_faiss(case.train, case.test, case.bits, selected, case.seed)
    return asdict(result) | {"selected": asdict(selected)}, trials


def measure_network(case: Case, settings: dict[str, Any] | None, epochs: int) -> tuple[Cell, list[Any]]:
    """Search the settings if they are not given, train, and measure; return the cell and the trials of the search."""
    import peer_network  # needs the optional group "peers"
    import peer_training

    groups, codes = case.plan.spec.groups, [sizes[0] for sizes in case.plan.spec.num_codes]
    rows, trials = (case.train, case.validation), []
    if settings is None:
        selected, trials = peer_training.search_network(*rows, groups, codes, case.seed, epochs)
    else:
        selected = peer_network.NetworkSettings(**settings)
    result = peer_training.run_network(*rows, case.test, groups, codes, selected, case.seed, epochs)
    cosine = case.plan.selection.chosen.cosine
    return asdict(result) | {"selected": asdict(selected), "max_centroid_cosine": cosine}, trials


def measure_cell(method: str, case: Case, searches: dict[str, Any], epochs: int) -> Cell:
    """Measure one method; a search for the settings of a peer is added to ``searches``."""
    if method in ("local", "joint"):
        return measure_spinlock(case, method, epochs)
    key = f"{method} {case.bits}"
    settings = searches.get(key, {}).get("selected")
    cell, trials = measure_faiss(case, settings) if method == "faiss" else measure_network(case, settings, epochs)
    if trials:
        searches[key] = {"seed": case.seed, "selected": cell["selected"], "trials": trials}
    return cell


def compare_with_reference(cell: Cell, reference: sl.metrics.GaussianReference) -> Cell:
    """Add the Gaussian reference at the bits of a cell, on training and test rows, and the gap to the latter."""
    bits = cell["bits"]
    return cell | {
        "gaussian_reference_training": reference.training(bits),
        "gaussian_reference": reference.held_out(bits),
        "gap_db": reference.gap_db(cell["quality"], bits),
    }


def measure(
    path: Path, output: Path, bits: Iterable[int], seeds: Iterable[int], methods: Iterable[str], epochs: int | None
) -> None:
    """Measure every cell of a table that its result file lacks."""
    target = output / f"quality_{path.stem}.json"
    results: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {"table": path.stem, "cells": []}
    results["machine"] = describe_device(torch.device("cpu"))
    searches: dict[str, Any] = results.setdefault("searches", {})
    done = {(cell["method"], cell["nominal_bits"], cell["seed"]) for cell in results["cells"]}
    for seed in seeds:
        for rate in bits:
            missing = [method for method in methods if (method, rate, seed) not in done]
            if not missing:
                continue
            case = make_case(path, rate, seed)
            reference = sl.metrics.GaussianReference.from_rows(case.train, case.test)
            results["rows"] = len(case.train) + len(case.validation) + len(case.test)
            results["columns"] = case.train.shape[1]
            curve = {b: [reference.training(b), reference.held_out(b)] for b in range(20, 421, 20)}
            results.setdefault("gaussian_reference", {})[str(seed)] = curve
            for method in missing:
                cell = measure_cell(method, case, searches, epochs or EPOCHS.get(method, 0))
                cell = {"method": method, "nominal_bits": rate, "seed": seed} | compare_with_reference(cell, reference)
                results["cells"].append(cell)
                target.write_text(json.dumps(results, indent=1) + "\n")
                print(
                    f"{path.stem}, {rate} bits, seed {seed}, {method}: quality {cell['quality']:.4f} at "
                    f"{cell['bits']:.0f} bits, Gaussian R(D) {cell['gaussian_reference']:.4f}, {cell['seconds']:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )


def main() -> None:
    """Measure tables, or report earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="write a result file for each table")
    measuring.add_argument("tables", type=Path, nargs="+", help="HDF5 datasets of features")
    measuring.add_argument("--bits", type=int, nargs="+", default=BITS)
    measuring.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    measuring.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    measuring.add_argument("--epochs", type=int, help=f"epochs of every method (default: {EPOCHS})")
    measuring.add_argument("--output", type=Path, required=True, help="directory of the result files")
    reporting = commands.add_parser("report", help="print the tables of result files")
    reporting.add_argument("results", type=Path, nargs="+")
    reporting.add_argument("--plot", type=Path, help="PNG of quality over bits")
    gaining = commands.add_parser("gains", help="print what training adds to the initialization of local tokens")
    gaining.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "gains":
        print(quality_report.gains_table([json.loads(path.read_text()) for path in arguments.results]))
        return
    if arguments.command == "report":
        results = [json.loads(path.read_text()) for path in arguments.results]
        print(quality_report.report(results))
        if arguments.plot:
            quality_report.plot(results, arguments.plot)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    for path in arguments.tables:
        measure(path, arguments.output, arguments.bits, arguments.seeds, arguments.methods, arguments.epochs)


if __name__ == "__main__":
    main()
