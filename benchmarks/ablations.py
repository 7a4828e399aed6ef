"""The contribution of each part of training: losses, EMA, resets and initialization, each switched off alone.

For each seed, 15 % of the operators are cut off first and never seen by training; every figure is of those held-out
rows, once for the epoch that training chose and once for its last epoch. Split, rows, categories and sizes are the same
for all variants of a seed.

    poetry run python benchmarks/ablations.py --table path/to/features.h5 --epochs 60 --seeds 3 --output results.json
    poetry run python benchmarks/ablations.py --markdown results.json [more.json ...]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.model import CategoricalVQVAE
from spinlock.training.fit import start, train
from spinlock.training.plan import make_plan
from spinlock.training.validation import Validator

TEST_FRACTION = 0.15
RESET_INTERVAL = 100

RANDOM_START_EPOCHS = 3
"""A run from random weights is trained for this many times the epochs of the others."""

FAST_CODES: dict[str, Any] = {"warm_start": False, "ema_decay": 0.98}
"""With the production decay a dead code is detected after 460 steps at the earliest, with this decay after 115."""

VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "no reconstruction loss": {"reconstruction_weight": 0.0},
    "no commitment loss": {"commitment_cost": 0.0},
    "no orthogonality loss": {"orthogonality_weight": 0.0},
    "no informativeness loss": {"informativeness_weight": 0.0},
    "no topographic loss": {"topo_weight": 0.0},
    "no EMA (learned codes)": {"use_ema": False},
    "no resets": {"dead_code_reset_interval": 0},
    "random initialization": {"warm_start": False},
    "no training (epoch 0)": {"epochs": 0},
    "random initialization, ema_decay 0.98, resets every 20 steps": FAST_CODES | {"dead_code_reset_interval": 20},
    "the same, no resets": FAST_CODES | {"dead_code_reset_interval": 0},
}

COLUMNS = ("quality", "utilization", "topographic_correlation", "commitment", "orthogonality", "informativeness")


def cut_off(table: FeatureTable, seed: int) -> tuple[FeatureTable, FeatureTable]:
    """The operators that training may see, and 15 % that it never does."""
    order = np.random.default_rng([seed, 15]).permutation(table.num_operators)
    count = round(TEST_FRACTION * table.num_operators)
    return _operators(table, np.sort(order[count:])), _operators(table, np.sort(order[:count]))


def _operators(table: FeatureTable, operators: np.ndarray[Any, Any]) -> FeatureTable:
    rows = (operators[:, None] * table.rows_per_operator + np.arange(table.rows_per_operator)).ravel()
    return replace(table, num_operators=len(operators), rows=table.rows[rows], sha256="", labels={})


def measure(table: FeatureTable, seed: int, epochs: int, only: list[str], log: Any) -> dict[str, dict[str, Any]]:
    """Train every variant on one split and measure it on the held-out rows."""
    seen, held_out = cut_off(table, seed)
    base = {"split_seed": seed, "random_seed": seed, "epochs": epochs, "dead_code_reset_interval": RESET_INTERVAL}
    config = config_from_mapping(base, where="benchmark")
    plan = make_plan(seen, config)
    cleaner = plan.data.cleaner
    rows = torch.from_numpy(cleaner.transform(held_out.rows).values)
    results = {}
    for name, changes in VARIANTS.items():
        if only and name not in only:
            continue
        longer = {} if changes.get("warm_start", True) else {"epochs": RANDOM_START_EPOCHS * epochs}
        resolved = plan.config.model_dump(mode="json") | base | changes | longer
        variant = config_from_mapping(resolved, where="benchmark")
        started = time.perf_counter()
        run = start(replace(plan, config=variant))
        train(run)
        seconds = time.perf_counter() - started
        results[name] = {
            "chosen": evaluate(run.best_model(), rows, cleaner, variant),
            "last": evaluate(run.state.model, rows, cleaner, variant),
            "best_epoch": run.state.progress.best_epoch,
            "resets": run.state.progress.resets_total,
            "seconds": seconds,
        }
        chosen, last = results[name]["chosen"], results[name]["last"]
        log(
            f"seed {seed} {name}: chosen epoch {results[name]['best_epoch']} quality {chosen['quality']:.4f} "
            f"utilization {chosen['utilization']:.3f}; last {last['quality']:.4f} {last['utilization']:.3f} "
            f"({seconds:.0f} s)"
        )
    return results


def evaluate(model: CategoricalVQVAE, rows: torch.Tensor, cleaner: Any, config: VQVAEConfig) -> dict[str, float]:
    """Losses and metrics on held-out rows [n, D] in normalized units."""
    result = Validator(rows, cleaner, config, block=config.val_batch_size)(model)
    return {name: float(getattr(result, name)) for name in COLUMNS}


def markdown(results: list[dict[str, Any]]) -> str:
    """A table for each result file: mean over seeds, with half the range in brackets for quality."""
    parts = []
    for result in results:
        seeds = result["seeds"]
        epochs = f"{result['epochs']} epochs ({RANDOM_START_EPOCHS} times as many from random weights)"
        parts.append(
            f"### {result['table']}: {result['rows']} rows, {epochs}, {len(seeds)} seeds ({result['machine']})\n"
        )
        parts.append(
            "| | quality, chosen epoch | quality, last epoch | utilization | topographic | redundancy | commitment |"
            " category decoders' error | chosen epochs | resets |\n|---|---|---|---|---|---|---|---|---|---|"
        )
        for name in next(iter(seeds.values())):
            runs = [seeds[seed][name] for seed in seeds]

            def mean(which: str, column: str, runs: list[Any] = runs) -> float:
                return float(np.mean([run[which][column] for run in runs]))

            def spread(which: str, runs: list[Any] = runs) -> float:
                values = [run[which]["quality"] for run in runs]
                return (max(values) - min(values)) / 2

            epochs = "/".join(str(run["best_epoch"]) for run in runs)
            parts.append(
                f"| {name} | {mean('chosen', 'quality'):.4f} (± {spread('chosen'):.4f}) "
                f"| {mean('last', 'quality'):.4f} (± {spread('last'):.4f}) | {mean('last', 'utilization'):.3f} "
                f"| {mean('last', 'topographic_correlation'):.4f} | {mean('last', 'orthogonality'):.4f} "
                f"| {mean('last', 'commitment'):.4f} | {mean('last', 'informativeness'):.4f} | {epochs} "
                f"| {'/'.join(str(run['resets']) for run in runs)} |"
            )
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Run the benchmark on one table, or print tables of earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="HDF5 dataset of features")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="*", default=[], help="names of variants")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--markdown", type=Path, nargs="*", help="print the tables of these result files")
    arguments = parser.parse_args()
    if arguments.markdown:
        print(markdown([json.loads(path.read_text()) for path in arguments.markdown]))
        return
    torch.set_num_threads(arguments.threads)
    table = read_features(arguments.table)
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "rows": len(table.rows),
        "epochs": arguments.epochs,
        "machine": f"{platform.machine()}, {arguments.threads} thread(s), torch {torch.__version__}",
        "seeds": {},
    }
    for seed in range(arguments.seeds):
        result["seeds"][str(seed)] = measure(
            table, seed, arguments.epochs, arguments.only, lambda text: print(text, file=sys.stderr, flush=True)
        )
        arguments.output.write_text(json.dumps(result, indent=1))
    print(markdown([result]))


if __name__ == "__main__":
    main()
