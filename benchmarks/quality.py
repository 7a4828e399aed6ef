"""Held-out quality at equal bits: this program, faiss, a network around ResidualVQ, and the Gaussian bound.

For each table and seed, 15 % of the operators are cut off first and never seen by fitting or choosing; the rest is
split into training and validation rows by the program, and all methods get the same two. Settings of the peers are
searched on the validation rows of the first seed, with every trial kept, and the best goes on to all seeds.
This program is told the bits (``max_bits``, with ``target_quality`` 1) and chooses the rest from training rows.

    poetry install --with peers
    poetry run python benchmarks/quality.py measure path/to/features.h5 [more.h5 ...] --output benchmarks/results
    poetry run python benchmarks/quality.py report benchmarks/results/quality_*.json --plot docs/quality.png

Cells that the results hold already are not measured again, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ablations import cut_off
from machine import described
from spinlock.config import config_from_mapping
from spinlock.io.feature_table import read_features
from spinlock.metrics.rate_distortion import GaussianReference
from spinlock.model.codec import make_codec
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan, make_plan
from spinlock.training.validation import Validator

BITS = (120, 180, 300)
SEEDS = (0, 1, 2)
EPOCHS = {"local": 40, "joint": 200}
METHODS = ("joint", "local", "faiss", "network")
NAMES = {"joint": "Spinlock, joint", "local": "Spinlock, local", "faiss": "faiss RQ", "network": "ResidualVQ network"}

Rows = NDArray[np.float32]
Cell = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One table, seed and rate: rows in normalized units, with the program's own choice of categories and sizes."""

    bits: int
    seed: int
    plan: Plan
    test: Rows

    @property
    def train(self) -> Rows:
        """Training rows [n, D]."""
        return self.plan.data.train.numpy()

    @property
    def validation(self) -> Rows:
        """Validation rows [m, D]."""
        return self.plan.data.validation.numpy()


def case(table: Path, bits: int, seed: int, assignment: str) -> Case:
    """Cut off the test rows and let the program choose."""
    settings = {"split_seed": seed, "random_seed": seed, "max_bits": bits, "target_quality": 1.0}
    settings |= {"input_path": str(table), "assignment": assignment, "epochs": EPOCHS[assignment]}
    config = config_from_mapping(settings, where="benchmark")
    seen, held_out = cut_off(read_features(table), seed)
    plan = make_plan(seen, config)
    return Case(bits, seed, plan, plan.data.cleaner.transform(held_out.rows).values)


def measure_program(table: Path, bits: int, seed: int, assignment: str) -> Cell:
    """Plan, start, train, and measure the chosen epoch and epoch 0 on the test rows."""
    started = time.perf_counter()
    subject = case(table, bits, seed, assignment)
    plan = subject.plan
    run = start(plan)
    fitted = time.perf_counter()
    test = torch.from_numpy(subject.test)
    validator = Validator(test, plan.data.cleaner, plan.config, block=plan.config.val_batch_size)
    initial = validator(run.state.model)
    train(run)
    trained = time.perf_counter()
    model = run.best_model()
    found = validator(model)
    codec = make_codec(model)
    restored = codec.decode(codec.encode(plan.data.train).indices)
    rows = plan.data.train
    cosine = plan.selection.chosen.cosine
    return {
        "bits": plan.spec.bits_per_row,
        "quality": found.quality,
        "train_quality": float(1 - (rows - restored).square().sum() / rows.square().sum()),
        "start_quality": initial.quality,
        "utilization": found.utilization,
        "topographic": found.topographic_correlation,
        "orthogonality": cosine,
        "seconds": trained - started,
        "rows_per_second": encoding_speed(run.best_model(), test),
        "settings": {
            "categories": plan.spec.num_categories,
            "codes": [sizes[0] for sizes in plan.spec.num_codes],
            "best_epoch": run.state.progress.best_epoch,
            "prepare_and_start_seconds": fitted - started,
        },
    }


def encoding_speed(model: Any, rows: torch.Tensor, wanted: int = 20_000) -> float:
    """Rows per second of encoding some ten thousand rows in memory."""
    many = rows.repeat(math.ceil(wanted / len(rows)), 1)[:wanted]
    make_codec(model).encode(many[:2048])
    started = time.perf_counter()
    make_codec(model).encode(many)
    return wanted / (time.perf_counter() - started)


def measure_peer(method: str, subject: Case, settings: dict[str, Any] | None) -> tuple[Cell, list[Any]]:
    """Search where no settings are given, then fit and measure."""
    import peers  # faiss and vector-quantize-pytorch are installed with the group "peers" only

    fit, choose, test = subject.train, subject.validation, subject.test
    log: list[Any] = []
    if method == "faiss":
        if settings is None:
            chosen, log = peers.search_faiss(fit, choose, subject.bits, subject.seed)
        else:
            chosen = peers.FaissSettings(**settings)
        result = peers.run_faiss(fit, choose, test, subject.bits, chosen, subject.seed)
    else:
        spec = subject.plan.spec
        codes = [sizes[0] for sizes in spec.num_codes]
        if settings is None:
            network, log = peers.search_network(fit, choose, spec.groups, codes, subject.seed)
        else:
            network = peers.NetworkSettings(**settings)
        result = peers.run_network(fit, choose, test, spec.groups, codes, network, subject.seed)
        chosen = network
    cell = asdict(result) | {"chosen": asdict(chosen)}
    if method == "network":
        cell["orthogonality"] = subject.plan.selection.chosen.cosine
    return cell, log


def bounded(cell: Cell, bound: GaussianReference) -> Cell:
    """The cell with the bounds at its own bits, and its distance from the held-out one."""
    bits = cell["bits"]
    return cell | {
        "bound_training": bound.training(bits),
        "bound": bound.held_out(bits),
        "gap_db": bound.gap_db(cell["quality"], bits),
    }


def measure(table: Path, output: Path, bits: Iterable[int], seeds: Iterable[int], methods: Iterable[str]) -> None:
    """Every cell of a table that its result file lacks."""
    path = output / f"quality_{table.stem}.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"table": table.stem, "cells": []}
    results["machine"] = described(torch.device("cpu"))
    done = {(cell["method"], cell["nominal_bits"], cell["seed"]) for cell in results["cells"]}
    searches: dict[str, Any] = results.setdefault("searches", {})
    for seed in seeds:
        for rate in bits:
            wanted = [method for method in methods if (method, rate, seed) not in done]
            if not wanted:
                continue
            subject = case(table, rate, seed, "local")
            bound = GaussianReference.from_rows(subject.train, subject.test)
            results["rows"] = len(subject.train) + len(subject.validation) + len(subject.test)
            results["columns"] = subject.train.shape[1]
            results["bounds"] = results.get("bounds", {}) | {
                f"{seed}": {b: [bound.training(b), bound.held_out(b)] for b in range(20, 421, 20)}
            }
            for method in wanted:
                if method in EPOCHS:
                    cell = measure_program(table, rate, seed, method)
                else:
                    key = f"{method} {rate}"
                    cell, log = measure_peer(method, subject, searches.get(key, {}).get("chosen"))
                    if log:
                        searches[key] = {"seed": seed, "chosen": cell["chosen"], "tried": log}
                cell = {"method": method, "nominal_bits": rate, "seed": seed} | bounded(cell, bound)
                results["cells"].append(cell)
                path.write_text(json.dumps(results, indent=1) + "\n")
                print(
                    f"{table.stem} {rate} bits seed {seed} {method}: quality {cell['quality']:.4f} at "
                    f"{cell['bits']:.0f} bits, bound {cell['bound']:.4f}, {cell['seconds']:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )


def spread(values: list[float], digits: int = 3) -> str:
    """Mean, and half the range where there are several."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {(max(values) - min(values)) / 2:.{digits}f}"


def markdown(results: list[dict[str, Any]]) -> str:
    """A table for each result file: mean over seeds ± half the range."""
    parts = []
    for result in results:
        seeds = sorted({cell["seed"] for cell in result["cells"]})
        parts.append(
            f"### {result['table']}: {result['rows']} rows, {result['columns']} columns, seeds "
            f"{', '.join(map(str, seeds))} ({result['machine']})\n\n"
            "| bits | method | bits spent | held-out quality | bound | gap (dB) | train quality | utilization |"
            " topographic | orthogonality | fit (s) | encode (rows/s) |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|"
        )
        for bits in sorted({cell["nominal_bits"] for cell in result["cells"]}):
            for method in METHODS:
                cells = [c for c in result["cells"] if c["method"] == method and c["nominal_bits"] == bits]
                if cells:
                    parts.append(_line(bits, method, cells))
        parts.append("")
    return "\n".join(parts)


def _line(bits: int, method: str, cells: list[Cell]) -> str:
    def of(name: str, digits: int = 3) -> str:
        return spread([cell[name] for cell in cells], digits) if all(name in cell for cell in cells) else "-"

    def mean(name: str) -> str:
        values = [cell[name] for cell in cells if name in cell]
        return f"{statistics.mean(values):,.0f}" if values else "-"

    return (
        f"| {bits} | {NAMES[method]} | {mean('bits')} | {of('quality')} | {of('bound')} | {of('gap_db', 2)} | "
        f"{of('train_quality')} | {of('utilization')} | {of('topographic')} | {of('orthogonality')} | "
        f"{mean('seconds')} | {mean('rows_per_second')} |"
    )


def brief(results: list[dict[str, Any]]) -> str:
    """One line for each table and rate: quality of every method, the bits it spent and its bound where they differ."""
    lines = ["| table | seeds | bits | bound | joint tokens | local tokens | faiss | ResidualVQ network |"]
    lines.append("|" + "---|" * 8)
    for result in results:
        for bits in sorted({cell["nominal_bits"] for cell in result["cells"]}):
            of = {
                method: [c for c in result["cells"] if c["method"] == method and c["nominal_bits"] == bits]
                for method in METHODS
            }
            if not of["joint"]:
                continue
            spent, bound = (statistics.mean(cell[name] for cell in of["joint"]) for name in ("bits", "bound"))
            texts = []
            for method in METHODS:
                text = spread([cell["quality"] for cell in of[method]]) if of[method] else "not measured"
                if of[method] and abs(statistics.mean(cell["bits"] for cell in of[method]) - spent) > 1:
                    own, its = (statistics.mean(cell[name] for cell in of[method]) for name in ("bits", "bound"))
                    text += f" ({own:.0f} bits, bound {its:.3f})"
                texts.append(text)
            seeds = ", ".join(str(seed) for seed in sorted({cell["seed"] for cell in of["joint"]}))
            lines.append(f"| {result['table']} | {seeds} | {spent:.0f} | {bound:.3f} | {' | '.join(texts)} |")
    return "\n".join(lines)


def goals(results: list[dict[str, Any]]) -> str:
    """Joint tokens against what they are meant to reach, from means over seeds."""
    lines = ["| table | bits | goal | reached by | |", "|---|---|---|---|---|"]
    for result in results:
        for bits in sorted({cell["nominal_bits"] for cell in result["cells"]}):
            of = {
                method: [c for c in result["cells"] if c["method"] == method and c["nominal_bits"] == bits]
                for method in METHODS
            }
            if of["joint"] and of["faiss"]:
                goal, surplus = _goal(bits, of["joint"], of["faiss"])
                verdict = "reached" if surplus >= 0 else "missed"
                lines.append(f"| {result['table']} | {bits} | {goal} | {surplus:+.4f} | {verdict} |")
    return "\n".join(lines)


def _goal(bits: int, ours: list[Cell], faiss: list[Cell]) -> tuple[str, float]:
    """Up to 150 bits the bound; at 180 faiss + 0.03 or 0.5 dB of the bound, at 300 1 dB; above 0.99 faiss itself."""
    quality, bound = (statistics.mean(cell[name] for cell in ours) for name in ("quality", "bound"))
    peer = statistics.mean(cell["quality"] for cell in faiss)
    if bits <= 150:
        return "the bound", quality - bound
    if peer > 0.99:
        return "faiss", quality - peer
    decibel = 0.5 if bits <= 200 else 1.0
    near = 1 - (1 - bound) * 10 ** (decibel / 10)
    return f"faiss + 0.03, or within {decibel:g} dB of the bound", max(quality - peer - 0.03, quality - near)


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Quality over bits, a panel for each table, with the range over seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(3, len(results))
    rows = math.ceil(len(results) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3.4 * rows), squeeze=False)
    colors = {"joint": "#1f4e9c", "local": "#5b9bd5", "faiss": "#d1661b", "network": "#6a9a3b"}
    marks = {"joint": "o", "local": "s", "faiss": "^", "network": "D"}
    for axis, result in zip(axes.flat, results, strict=False):
        bounds = list(result["bounds"].values())
        rates = [int(rate) for rate in bounds[0]]
        mean = [statistics.mean(bound[str(rate)][1] for bound in bounds) for rate in rates]
        axis.plot(rates, mean, color="0.35", linewidth=1, linestyle="--", label="Gaussian bound, held out")
        for method in METHODS:
            points: list[tuple[float, float, float, float]] = []
            for bits in sorted({cell["nominal_bits"] for cell in result["cells"]}):
                cells = [c for c in result["cells"] if c["method"] == method and c["nominal_bits"] == bits]
                if cells:
                    values = [cell["quality"] for cell in cells]
                    spent = statistics.mean(cell["bits"] for cell in cells)
                    points.append((spent, statistics.mean(values), min(values), max(values)))
            if points:
                x, y, low, high = (np.array(part) for part in zip(*points, strict=True))
                axis.errorbar(
                    x,
                    y,
                    yerr=[y - low, high - y],
                    color=colors[method],
                    marker=marks[method],
                    markersize=4,
                    linewidth=1.2,
                    capsize=2,
                    label=NAMES[method],
                )
        lowest = min(cell["quality"] for cell in result["cells"])
        axis.set(title=result["table"], xlabel="bits per row", xlim=(90, 330), ylim=(lowest - 0.03, 1.0))
        axis.grid(color="0.9")
    for axis in axes.flat[len(results) :]:
        axis.axis("off")
    axes[0, 0].set_ylabel("held-out quality")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.12 / rows + 0.02, 1, 1))
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure tables, or report what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="fill a result file for each table")
    measuring.add_argument("tables", type=Path, nargs="+", help="HDF5 datasets of features")
    measuring.add_argument("--bits", type=int, nargs="+", default=BITS)
    measuring.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    measuring.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    measuring.add_argument("--output", type=Path, required=True, help="folder of the result files")
    reporting = commands.add_parser("report", help="print tables and verdicts")
    reporting.add_argument("results", type=Path, nargs="+")
    reporting.add_argument("--plot", type=Path, help="PNG of the rate-distortion curves")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        arguments.output.mkdir(parents=True, exist_ok=True)
        for table in arguments.tables:
            measure(table, arguments.output, arguments.bits, arguments.seeds, arguments.methods)
        return
    results = [json.loads(path.read_text()) for path in arguments.results]
    print(f"{brief(results)}\n\n{markdown(results)}\n{goals(results)}")
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
