"""Contribution of each part of the tokenizer to the quality of test rows, at the same bits.

For each seed, 15 % of the operators are test rows. All variants except the last have the categories and codebook sizes
that Spinlock selects for local tokens at ``--bits``. A variant is the closed-form initialization with the parts that
its name lists. It is trained only if its name says so.

    poetry run python benchmarks/levers.py measure path/to/features.h5 --output results.json
    poetry run python benchmarks/levers.py report results.json [more.json ...]

Seeds that the result file already holds are not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import markdown
import spinlock as sl
from held_out import rate_settings, split_test_operators, token_quality
from markdown import mean_and_half_range
from spinlock.config import config_from_mapping
from spinlock.initialization.joint_codes import fit_joint_codes
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.network import initialize_closed_form
from spinlock.initialization.ridge import RIDGE_GRID
from spinlock.model import JointVQVAE, ModelSpec, build_network
from spinlock.sizing.assignment import JointAssignment
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan, make_plan

EPOCHS = {"local": 40, "joint": 200}


class Variants:
    """The variants of one table, rate and seed.

    Tokenizer.fit always applies all parts, so the variants build and initialize networks themselves, from one plan.
    """

    def __init__(self, table: sl.FeatureTable, bits: int, seed: int, epochs: int | None) -> None:
        self.table, test_table = split_test_operators(table, seed)
        self.seed, self.settings = seed, rate_settings(bits, seed, "local")
        self.epochs = {name: epochs or default for name, default in EPOCHS.items()}
        self.plan: Plan = make_plan(self.table, config_from_mapping(self.settings, where="benchmark"))
        self.rows = self.plan.fit_rows().rows
        self.interpolated = interpolate_neighbors(self.rows, seed).flatten(0, 1)
        self.ridge = self.plan.selection.ridge
        self.test = torch.from_numpy(self.plan.data.cleaner.transform(test_table.rows).values)

    def closed_form(self, spec: ModelSpec, rows: Tensor, ridge: float, joint_rounds: int | None = None) -> float:
        """Return the test quality of a network that is initialized in closed form on rows [n, D]."""
        model = build_network(spec, seed=self.seed)
        initialize_closed_form(model, rows, ridge=ridge, rows_per_batch=len(self.rows), seed=self.seed)
        if joint_rounds is not None and isinstance(model, JointVQVAE):
            fit_joint_codes(model, rows, joint_rounds)
        return token_quality(model.eval(), self.test)

    def trained(self, plan: Plan) -> float:
        """Return the test quality of the best epoch of a run with the given plan."""
        epochs = self.epochs[plan.spec.assignment]
        run = start(replace(plan, config=plan.config.model_copy(update={"epochs": epochs})))
        train(run)
        return token_quality(run.best_model(), self.test)

    def local(self) -> Iterator[tuple[str, float]]:
        """Yield the name and the test quality of each variant with local tokens."""
        spec, rows, ridge = self.plan.spec, self.rows, self.ridge
        greedy, beam = replace(spec, beam_width=1), f"beam search of width {spec.beam_width}"
        yield f"local: greedy search, ridge {RIDGE_GRID[0]}", self.closed_form(greedy, rows, RIDGE_GRID[0])
        yield "local: greedy search, ridge selected on a hold-out", self.closed_form(greedy, rows, ridge)
        yield f"local: {beam}, the same ridge", self.closed_form(spec, rows, ridge)
        yield "local: the same, neighbor interpolation", self.closed_form(spec, self.interpolated, ridge)
        yield f"local: the same, trained for {self.epochs['local']} epochs", self.trained(self.plan)

    def joint(self) -> Iterator[tuple[str, float]]:
        """Yield the name and the test quality of each variant with joint tokens."""
        plan, rows, ridge, interpolated = self.plan, self.rows, self.ridge, self.interpolated
        spec = replace(plan.spec, assignment="joint")
        greedy = replace(spec, beam_width=1)
        equal = replace(spec, num_codes=equal_sizes(spec.bits_per_row, spec.num_categories))
        trained_spec = replace(spec, decoder_dim=JointAssignment.decoder_width * spec.hidden_dim)
        config = plan.config.model_copy(update={"assignment": "joint"})
        yield "joint: joint assignment, codes of local tokens", self.closed_form(spec, rows, ridge, 0)
        yield "joint: codes refitted in four rounds", self.closed_form(spec, rows, ridge, 4)
        yield "joint: the same, neighbor interpolation", self.closed_form(spec, interpolated, ridge, 4)
        yield "joint: the same, greedy search in place of beam search", self.closed_form(greedy, interpolated, ridge, 4)
        yield (
            f"joint: beam search, refinement trained for {self.epochs['joint']} epochs",
            self.trained(replace(plan, spec=trained_spec, config=config)),
        )
        yield (
            "joint: not trained, equal codebook sizes in place of water-filling",
            self.closed_form(equal, interpolated, ridge, 4),
        )
        tokenizer = sl.Tokenizer.fit(self.table, self.settings, assignment="joint", epochs=self.epochs["joint"])
        yield (
            "joint: trained, categories and sizes selected by joint trials",
            token_quality(tokenizer.model, self.test),
        )


def equal_sizes(bits: float, categories: int) -> tuple[tuple[int, int, int], ...]:
    """Return K codes for every codebook, and K + 1 for the first categories: the most codes within ``bits``."""
    size = int(2 ** (bits / (3 * categories)) + 1e-9)
    larger = int((bits / 3 - categories * math.log2(size)) / math.log2((size + 1) / size) + 1e-9)
    return tuple((size + (c < larger),) * 3 for c in range(categories))


def report(results: list[dict[str, Any]]) -> str:
    """Return the mean over seeds ± half the range, with a column for each result file."""
    titles = [f"{result['table']}, {result['bits']} bits, seeds {', '.join(result['quality'])}" for result in results]
    rows = [
        [name, *(mean_and_half_range([seed[name] for seed in r["quality"].values()], 4) for r in results)]
        for name in next(iter(results[0]["quality"].values()))
    ]
    return markdown.table(["variant", *titles], rows)


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Parse the arguments of a benchmark with the commands ``measure`` and ``report``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="measure one table")
    measuring.add_argument("table", type=Path, help="HDF5 dataset of features")
    measuring.add_argument("--bits", type=int, default=120)
    measuring.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    measuring.add_argument("--epochs", type=int, help="epochs of trained variants (default: those of the results)")
    measuring.add_argument("--output", type=Path, required=True, help="JSON file to write")
    reporting = commands.add_parser("report", help="print the table of result files")
    reporting.add_argument("results", type=Path, nargs="+")
    return parser.parse_args()


def main() -> None:
    """Measure one table, or print earlier results."""
    arguments = parse_arguments(__doc__)
    if arguments.command == "report":
        print(report([json.loads(path.read_text()) for path in arguments.results]))
        return
    table = sl.read_features(arguments.table)
    result: dict[str, Any] = {"table": arguments.table.stem, "bits": arguments.bits, "quality": {}}
    if arguments.output.exists():
        result = json.loads(arguments.output.read_text())
    for seed in arguments.seeds:
        if str(seed) in result["quality"]:
            continue
        started = time.perf_counter()
        qualities: dict[str, float] = {}
        variants = Variants(table, arguments.bits, seed, arguments.epochs)
        for group in (variants.local, variants.joint):
            for name, quality in group():
                qualities[name] = quality
                seconds = time.perf_counter() - started
                print(f"seed {seed}, {name}: {quality:.4f} ({seconds:.0f} s)", file=sys.stderr, flush=True)
        result["quality"][str(seed)] = qualities
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(report([result]))


if __name__ == "__main__":
    main()
