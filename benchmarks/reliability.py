"""Test-retest reliability of the feature statistics over realizations of the same operators.

Each operator has six realizations. The statistics of the first three are correlated over operators with those of the
last three. A value of 1 means that a column depends on the operator alone; the difference from 1 is random variation.

    poetry run python benchmarks/reliability.py --config configs/datasets/quickstart.yaml --num-samples 512
    poetry run python benchmarks/reliability.py --report benchmarks/results/reliability_quickstart.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import markdown
from spinlock.config import DatasetConfig, load_dataset_config
from spinlock.features.extract import FRAME_GROUPS, RUN_GROUPS
from spinlock.features.run import Run
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.compute_block import flatten_probes
from spinlock.generation.design import Design, make_design
from spinlock.operators.rollout import probe, roll_out
from spinlock.runtime.threads import single_threaded

Floats = NDArray[np.float64]

HALF = 3
"""Number of realizations in each half."""


def statistics(frame: Tensor, run: Tensor) -> dict[str, Tensor]:
    """Return candidate statistics [B, columns] of per-frame [B, M, T, D1] and per-run [B, M, D2] features."""
    quarter = frame.shape[2] // 4
    over_time = frame.mean(2)
    return {
        "frame features: mean": over_time.mean(1),
        "frame features: std over time": frame.std(2, correction=0).mean(1),
        "frame features: change over time": (frame[:, :, -quarter:].mean(2) - frame[:, :, :quarter].mean(2)).mean(1),
        "frame features: spread over realizations": over_time.std(1, correction=0),
        "run features: mean": run.mean(1),
        "run features: std over realizations": run.std(1, correction=0),
        "run features: std / (std + |mean|) over realizations": _variation(run),
    }


def _variation(run: Tensor) -> Tensor:
    """Return std / (std + |mean|) over realizations, which is at most 1."""
    spread = run.std(1, correction=0)
    return spread / (spread + run.mean(1).abs() + 1e-9)


@torch.no_grad()
def statistics_of_halves(block: Block, design: Design, config: DatasetConfig) -> list[dict[str, Tensor]]:
    """Return the statistics of the members of a block for the first and for the last three realizations.

    The Python interface aggregates over all realizations, so the stages of the generation are called one by one.
    """
    limits = {"warmup": config.warmup_steps, "bound": config.blow_up_bound}
    assembly = assemble(block, design, config, torch.device("cpu"))
    frames = roll_out(assembly.step, assembly.start, config.num_steps, **limits).frames
    run = Run(frames.flatten(0, 1), flatten_probes(probe(assembly.step, frames, assembly.directions, **limits)))
    size = frames.shape[:2]
    per_frame = torch.cat([module.compute(run) for module in FRAME_GROUPS.values()], -1).unflatten(0, size)
    per_run = torch.cat([module.compute(run) for module in RUN_GROUPS.values()], -1).unflatten(0, size)
    count = len(block.members)
    return [
        {name: values[:count] for name, values in statistics(per_frame[:, half], per_run[:, half]).items()}
        for half in (slice(0, HALF), slice(HALF, 2 * HALF))
    ]


def reliability(first: Floats, second: Floats) -> Floats:
    """Return Pearson's r of each column after the clipping that training applies."""
    low, high = np.percentile(first, (0.1, 99.9), axis=0)
    one, other = np.clip(first, low, high), np.clip(second, low, high)
    one, other = one - one.mean(0), other - other.mean(0)
    return (one * other).sum(0) / np.maximum(np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0), 1e-12)


def measure(config: DatasetConfig) -> list[dict[str, Any]]:
    """Return median, lower quartile and minimum of the reliability over the columns of each statistic."""
    design = make_design(config)
    with single_threaded(torch.device("cpu")):
        results = [statistics_of_halves(block, design, config) for block in plan_blocks(design.operators, "cpu")]
    rows = []
    for name in results[0][0]:
        first, second = (torch.cat([result[half][name] for result in results]).double().numpy() for half in (0, 1))
        r = reliability(first, second)
        rows.append(
            {
                "statistic": name,
                "columns": len(r),
                "median": float(np.median(r)),
                "lower_quartile": float(np.percentile(r, 25)),
                "minimum": float(r.min()),
            }
        )
    return rows


def report(result: dict[str, Any]) -> str:
    """Return a table with one row for each statistic."""
    rows = [
        (
            row["statistic"],
            str(row["columns"]),
            f"{row['median']:.2f}",
            f"{row['lower_quartile']:.2f}",
            f"{row['minimum']:.2f}",
        )
        for row in result["rows"]
    ]
    return markdown.table(("statistic", "columns", "median", "lower quartile", "minimum"), rows)


def main() -> None:
    """Measure the operators of a configuration, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="dataset configuration")
    parser.add_argument("--num-samples", type=int, default=512, help="number of operators")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    if arguments.config is None:
        parser.error("--config is needed to measure")
    config = load_dataset_config(
        arguments.config, overrides={"num_samples": arguments.num_samples}, set_values=[f"num_realizations={2 * HALF}"]
    )
    result: dict[str, Any] = {
        "config": arguments.config.name,
        "operators": config.num_samples,
        "seed": config.random_seed,
        "rows": measure(config),
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
