"""Contribution of each part of training: each loss, each technique or the initialization is left out alone.

For each seed, 15 % of the operators are test rows, which training never sees. All values are measured on the test rows,
for the best epoch that training selects and for the last epoch. All variants of a seed have the same split, categories
and codebook sizes. Variants that the output file already holds are not measured again.

    poetry run python benchmarks/ablations.py --table path/to/features.h5 --epochs 410 --seeds 3 --output results.json
    poetry run python benchmarks/ablations.py --report results.json [more.json ...]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any
from unittest import mock

import torch

import markdown
import spinlock as sl
from held_out import split_test_operators
from machine import describe_device
from markdown import mean_and_half_range
from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.model import CategoricalVQVAE
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan, make_plan
from spinlock.training.validation import Validator

RESET_INTERVAL = 100

RANDOM_INITIALIZATION_FACTOR = 3
"""A run with random initialization has this many times the epochs of the other runs."""

FAST_CODES: dict[str, Any] = {"warm_start": False, "ema_decay": 0.98}
"""A dead code is detected after 115 steps with this decay, and after 460 steps with the production decay."""

VARIANTS: dict[str, dict[str, Any]] = {
    "all parts": {},
    "no reconstruction loss": {"reconstruction_weight": 0.0},
    "no commitment loss": {"commitment_cost": 0.0},
    "no orthogonality loss": {"orthogonality_weight": 0.0},
    "no informativeness loss": {"informativeness_weight": 0.0},
    "no topographic loss": {"topo_weight": 0.0},
    "no EMA (codes learned by gradient descent)": {"use_ema": False},
    "no dead-code resets": {"dead_code_reset_interval": 0},
    "random initialization": {"warm_start": False},
    "no training (epoch 0)": {"epochs": 0},
    "random initialization, ema_decay 0.98, resets every 20 steps": FAST_CODES | {"dead_code_reset_interval": 20},
    "random initialization, ema_decay 0.98, no resets": FAST_CODES | {"dead_code_reset_interval": 0},
}

TECHNIQUES: dict[str, dict[str, Any]] = {
    "encoder steps of one size for all coordinates": {
        "spinlock.training.optimization.optimizer._step_scales": lambda model, scales: {}
    },
    "codebooks with the memory of ema_decay in all steps": {
        "spinlock.training.trainer.code_decay": lambda step, total, final: final
    },
    "encoder steps of one size for all widths of a category": {
        "spinlock.initialization.coordinate_scales.FULL_STEP_COLUMNS": 1_000_000
    },
    "current weights validated in place of their average": {
        "spinlock.training.optimization.weight_average.AVERAGED_STEPS": 1
    },
    "no weight decay": {"spinlock.training.optimization.optimizer.WEIGHT_DECAY": 0.0},
    "no points between rows in the batches": {"spinlock.training.batches.TARGET_ROWS": 0},
    "decoder not fitted to the tokens of the beam search": {
        "spinlock.training.steps.refit_decoder": lambda model, rows: None
    },
}
"""Techniques without a configuration key: each is left out by replacing functions or constants of the program."""

METRICS = ("quality", "utilization", "topographic_correlation", "orthogonality", "commitment", "informativeness")
"""Attributes of ValidationResult; ``orthogonality`` is the latent redundancy."""

COLUMNS = (
    "variant",
    "quality, best epoch",
    "quality, last epoch",
    "utilization",
    "topographic correlation",
    "latent redundancy",
    "commitment",
    "category decoder error",
    "best epoch by seed",
    "resets by seed",
)


def measure(
    table: sl.FeatureTable, seed: int, epochs: int, names: list[str], add: Callable[[str, dict[str, Any]], None]
) -> None:
    """Train variants with one seed, measure them on the test rows, and call ``add`` with each name and result."""
    seen, test_table = split_test_operators(table, seed)
    base = {"split_seed": seed, "random_seed": seed, "epochs": epochs, "dead_code_reset_interval": RESET_INTERVAL}
    # All variants train on one plan, so that they have the same categories and sizes. Tokenizer.fit plans each run.
    plan = make_plan(seen, config_from_mapping(base, where="benchmark"))
    rows = torch.from_numpy(plan.data.cleaner.transform(test_table.rows).values)
    for name in names:
        changes = VARIANTS.get(name, {})
        factor = 1 if changes.get("warm_start", True) else RANDOM_INITIALIZATION_FACTOR
        settings = plan.config.model_dump(mode="json") | base | {"epochs": factor * epochs} | changes
        with ExitStack() as stack:
            for target, value in TECHNIQUES.get(name, {}).items():
                stack.enter_context(mock.patch(target, value))
            result = measure_variant(replace(plan, config=config_from_mapping(settings, where="benchmark")), rows)
        best, last = result["best"], result["last"]
        print(
            f"seed {seed}, {name}: best epoch {result['best_epoch']} with quality {best['quality']:.4f} and "
            f"utilization {best['utilization']:.3f}; last epoch with {last['quality']:.4f} and "
            f"{last['utilization']:.3f} ({result['seconds']:.0f} s)",
            file=sys.stderr,
            flush=True,
        )
        add(name, result)


def measure_variant(plan: Plan, rows: torch.Tensor) -> dict[str, Any]:
    """Train one variant and measure its best and its last epoch."""
    started = time.perf_counter()
    run = start(plan)
    train(run)
    seconds = time.perf_counter() - started
    return {
        "best": validate(run.best_model(), rows, plan.data.cleaner, plan.config),
        "last": validate(run.state.averaged, rows, plan.data.cleaner, plan.config),
        "best_epoch": run.state.progress.best_epoch,
        "resets": run.state.progress.resets_total,
        "seconds": seconds,
    }


def validate(model: CategoricalVQVAE, rows: torch.Tensor, cleaner: Cleaner, config: VQVAEConfig) -> dict[str, float]:
    """Return losses and metrics of test rows [t, D] in normalized units; sl.evaluate does not measure losses."""
    result = Validator(rows, cleaner, config, block=config.val_batch_size)(model)
    return {name: float(getattr(result, name)) for name in METRICS}


def report(results: list[dict[str, Any]]) -> str:
    """Return a table for each result file: the mean over seeds, for quality ± half the range."""
    return "\n\n".join(f"{_title(result)}\n\n{markdown.table(COLUMNS, _rows(result))}" for result in results)


def _title(result: dict[str, Any]) -> str:
    epochs = f"{result['epochs']} epochs ({RANDOM_INITIALIZATION_FACTOR} times as many with random initialization)"
    seeds = f"seeds {', '.join(result['seeds'])}"
    return f"### {result['table']}: {result['rows']} rows, {epochs}, {seeds} ({result['machine']})"


def _rows(result: dict[str, Any]) -> list[list[str]]:
    seeds = list(result["seeds"].values())
    rows = []
    for name in seeds[0]:
        runs = [seed[name] for seed in seeds]
        last = {metric: mean(run["last"][metric] for run in runs) for metric in METRICS}
        rows.append(
            [
                name,
                *(mean_and_half_range([run[epoch]["quality"] for run in runs], 4) for epoch in ("best", "last")),
                f"{last['utilization']:.3f}",
                *(f"{last[metric]:.4f}" for metric in METRICS[2:]),
                ", ".join(str(run["best_epoch"]) for run in runs),
                ", ".join(str(run["resets"]) for run in runs),
            ]
        )
    return rows


def main() -> None:
    """Measure one table, or print the tables of earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="HDF5 dataset of features")
    parser.add_argument("--epochs", type=int, default=410)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="*", choices=(*VARIANTS, *TECHNIQUES), metavar="NAME", help="names of variants")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, nargs="+", help="print the tables of these result files")
    arguments = parser.parse_args()
    if arguments.report:
        print(report([json.loads(path.read_text()) for path in arguments.report]))
        return
    if arguments.table is None or arguments.output is None:
        parser.error("--table and --output are needed to measure")
    torch.set_num_threads(arguments.threads)
    table = sl.read_features(arguments.table)
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "rows": len(table.rows),
        "epochs": arguments.epochs,
        "machine": describe_device(torch.device("cpu")),
        "seeds": {},
    }
    if arguments.output.exists():
        result = json.loads(arguments.output.read_text())
        if (result["table"], result["epochs"]) != (arguments.table.stem, arguments.epochs):
            raise SystemExit(f"{arguments.output} has results of {result['table']} with {result['epochs']} epochs")
    for seed in range(arguments.seeds):
        results = result["seeds"].setdefault(str(seed), {})

        def add(name: str, measured: dict[str, Any], results: dict[str, Any] = results) -> None:
            results[name] = measured
            arguments.output.write_text(json.dumps(result, indent=1) + "\n")

        wanted = arguments.only or [*VARIANTS, *TECHNIQUES]
        measure(table, seed, arguments.epochs, [name for name in wanted if name not in results], add)
    print(report([result]))


if __name__ == "__main__":
    main()
