"""Operators per second of dataset generation by family, and the fraction of time of each stage.

One block of each family is computed several times on one core or on the GPU. The table shows medians, and for neural
operators the mean over twelve blocks with evenly spaced costs. ``sl.generate`` computes several blocks at the same
time; with ``--whole`` the benchmark also measures the generation of the whole dataset.

    poetry run python benchmarks/generation.py --config configs/datasets/benchmark_4k.yaml
    poetry run python benchmarks/generation.py --config configs/datasets/quickstart.yaml --whole --output result.json
    poetry run python benchmarks/generation.py --report benchmarks/results/generation_benchmark_4k.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

import markdown
import spinlock as sl
from machine import describe_machine
from spinlock.config import DatasetConfig, load_dataset_config
from spinlock.generation.assembly import assemble
from spinlock.generation.block_store import BlockStore
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.compute_block import BlockResult, extract_in_parts, part_size
from spinlock.generation.design import Design, make_design
from spinlock.operators.rollout import probe, roll_out
from spinlock.runtime.device import choose_device
from spinlock.runtime.threads import single_threaded

STAGES = ("draws", "rollout", "probes", "features", "writing")


def timed(action: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """Return the result of an action and its duration in seconds."""
    started = time.perf_counter()
    result = action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - started


def time_block(block: Block, design: Design, config: DatasetConfig, device: torch.device) -> dict[str, float]:
    """Return the seconds of each stage of one block, which sl.generate does not report."""
    assembly, draws = timed(lambda: assemble(block, design, config, device), device)
    limits = {"warmup": config.warmup_steps, "bound": config.blow_up_bound}
    rollout, rolling = timed(lambda: roll_out(assembly.step, assembly.start, config.num_steps, **limits), device)
    probe_runs, probing = timed(lambda: probe(assembly.step, rollout.frames, assembly.directions, **limits), device)
    size = part_size(block, device)
    tables, extracting = timed(lambda: extract_in_parts(rollout.frames, probe_runs, size), device)
    with tempfile.TemporaryDirectory() as folder:
        store = BlockStore(Path(folder) / "d.h5", {})
        store.prepare(resume=False, overwrite=False)
        result = BlockResult.collect(tables, rollout, len(block.members), with_fields=config.store_trajectories)
        _, writing = timed(lambda: store.write(block, result), device)
    return dict(zip(STAGES, (draws, rolling, probing, extracting, writing), strict=True))


def measure_families(config: DatasetConfig, device: torch.device, repeats: int) -> list[dict[str, Any]]:
    """Return the operators per second of one block at a time and the fractions of time, with a row for each family."""
    design = make_design(config)
    rows = []
    with torch.no_grad(), single_threaded(device):
        for family, blocks in _sample_blocks(design, device, (config.grid_size, config.grid_size)).items():
            durations = [[time_block(block, design, config, device) for _ in range(repeats)] for block in blocks]
            stages = {name: fmean(median(run[name] for run in runs) for runs in durations) for name in STAGES}
            total = sum(stages.values())
            fractions = {name: value / total for name, value in stages.items()}
            rows.append({"family": family, "operators_per_second": len(blocks[0].members) / total, **fractions})
    return rows


def _sample_blocks(design: Design, device: torch.device, grid: tuple[int, int]) -> dict[str, list[Block]]:
    """One block of each PDE family, and twelve of neural operators with evenly spaced costs."""
    by_name: dict[str, list[Block]] = {}
    for block in plan_blocks(design.operators, device.type):
        by_name.setdefault(block.family, []).append(block)
    return {
        family: blocks[:1] if blocks[0].architecture is None else _evenly_spaced(blocks, grid)
        for family, blocks in sorted(by_name.items())
    }


def _evenly_spaced(blocks: list[Block], grid: tuple[int, int]) -> list[Block]:
    """Twelve blocks with evenly spaced ranks of their cost."""
    ranked = sorted(blocks, key=lambda block: block.architecture.relative_cost(grid) if block.architecture else 0)
    return [ranked[len(ranked) * part // 24] for part in range(1, 24, 2)]


def measure_dataset(config: DatasetConfig, device: str) -> dict[str, float]:
    """Return the seconds and the operators per second of the generation of the whole dataset."""
    with tempfile.TemporaryDirectory() as folder:
        result = sl.generate(config, Path(folder) / "dataset.h5", device=device)
    return {"seconds": result.seconds, "operators_per_second": result.num_operators / result.seconds}


def report(result: dict[str, Any]) -> str:
    """Return a table with one row for each family, and the rate of the whole dataset if it was measured."""
    rows = [
        (
            row["family"],
            f"{row['operators_per_second']:.1f}",
            *(f"{100 * row[stage]:.0f} %" for stage in STAGES),
        )
        for row in result["rows"]
    ]
    title = f"{result['config']}, {result['device']} ({result['machine']})"
    text = f"{title}\n\n{markdown.table(('family', 'operators/s', *STAGES), rows)}"
    if "whole" in result:
        whole = result["whole"]
        text += f"\n\nWhole dataset: {whole['seconds']:.0f} s, {whole['operators_per_second']:.1f} operators/s."
    return text


def main() -> None:
    """Measure one configuration, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="dataset configuration")
    parser.add_argument("--num-samples", type=int, help="number of operators (default: that of the configuration)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="also measure the generation of the whole dataset")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    if arguments.config is None:
        parser.error("--config is needed to measure")
    device = choose_device(arguments.device)
    overrides = {} if arguments.num_samples is None else {"num_samples": arguments.num_samples}
    config = load_dataset_config(arguments.config, overrides=overrides)
    result: dict[str, Any] = {
        "config": arguments.config.name,
        "device": str(device),
        "machine": describe_machine(),
        "rows": measure_families(config, device, arguments.repeats),
    }
    if arguments.whole:
        result["whole"] = measure_dataset(config, str(device))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
