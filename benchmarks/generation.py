"""Operators per second of ``generate`` by family, and the fraction of time of rollout, features and writing.

One block of each family is computed several times on one core or on the GPU. The table shows medians, and for neural
operators the mean over five architectures. A run computes several blocks at the same time. The whole command is timed
separately.

    poetry run python benchmarks/generation.py --config configs/datasets/benchmark_4k.yaml
    poetry run python benchmarks/generation.py --config configs/datasets/quickstart.yaml --whole --output result.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from machine import machine
from spinlock.config import DatasetConfig, load_dataset_config
from spinlock.features.extract import extract
from spinlock.generation.assembly import assemble
from spinlock.generation.block import BlockResult, flatten_probes
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.design import Design, make_design
from spinlock.generation.shards import ShardStore
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
    """Return the seconds of each stage of one block."""
    assembly, drawing = timed(lambda: assemble(block, design, config, device), device)
    limits = {"warmup": config.warmup_steps, "bound": config.blow_up_bound}
    rollout, rolling = timed(lambda: roll_out(assembly.step, assembly.start, config.num_steps, **limits), device)
    probes, probing = timed(lambda: probe(assembly.step, rollout.frames, assembly.directions, **limits), device)
    tables, describing = timed(lambda: extract(rollout.frames, flatten_probes(probes)), device)
    with tempfile.TemporaryDirectory() as folder:
        store = ShardStore(Path(folder) / "d.h5")
        store.prepare({}, resume=False, overwrite=False)
        result = BlockResult.collect(tables, rollout, len(block.members), with_fields=config.store_trajectories)
        _, writing = timed(lambda: store.write(block, result), device)
    return {"draws": drawing, "rollout": rolling, "probes": probing, "features": describing, "writing": writing}


def by_family(config: DatasetConfig, device: torch.device, repeats: int) -> list[dict[str, Any]]:
    """Return a row for each family: operators per second of one block at a time, and fractions of the time."""
    design = make_design(config)
    rows = []
    with torch.no_grad(), single_threaded(device):
        for family, blocks in _sample_blocks(design, device).items():
            seconds = [[time_block(block, design, config, device) for _ in range(repeats)] for block in blocks]
            stages = {name: fmean(median(run[name] for run in runs) for runs in seconds) for name in STAGES}
            total = sum(stages.values())
            size = blocks[0].size
            rows.append(
                {"family": family, "operators_per_second": size / total, **{k: v / total for k, v in stages.items()}}
            )
    return rows


def _sample_blocks(design: Design, device: torch.device) -> dict[str, list[Block]]:
    """One block of each PDE family, and five blocks of neural operators with evenly spaced costs."""
    by_name: dict[str, list[Block]] = {}
    for block in plan_blocks(design.operators, device.type):
        by_name.setdefault(block.family, []).append(block)
    return {
        family: blocks[:1] if blocks[0].architecture is None else _spread(blocks)
        for family, blocks in sorted(by_name.items())
    }


def _spread(blocks: list[Block]) -> list[Block]:
    """Five blocks with evenly spaced ranks of their cost."""
    ranked = sorted(blocks, key=lambda block: block.architecture.operations if block.architecture else 0)
    return [ranked[len(ranked) * tenth // 10] for tenth in (1, 3, 5, 7, 9)]


def time_command(config: Path, device: str) -> dict[str, float]:
    """Return the seconds of ``spinlock generate`` in a new process, and the operators per second."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "spinlock", "generate", "--config", str(config), "--device", device]
        started = time.perf_counter()
        subprocess.run([*command, "--output", f"{folder}/dataset.h5"], check=True)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "operators_per_second": load_dataset_config(config).num_samples / seconds}


def main() -> None:
    """Print the table, and the time of the whole command if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="dataset configuration")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="also time the whole command")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    rows = by_family(load_dataset_config(arguments.config), device, arguments.repeats)
    result: dict[str, Any] = {
        "config": arguments.config.name,
        "device": str(device),
        "machine": machine(),
        "rows": rows,
    }
    print(f"| family | operators/s | {' | '.join(STAGES)} |")
    print("|---" * (2 + len(STAGES)) + "|")
    for row in rows:
        fractions = " | ".join(f"{100 * row[stage]:.0f} %" for stage in STAGES)
        print(f"| {row['family']} | {row['operators_per_second']:.1f} | {fractions} |")
    if arguments.whole:
        result["whole"] = time_command(arguments.config, str(device))
        whole = result["whole"]
        print(f"whole command: {whole['seconds']:.0f} s, {whole['operators_per_second']:.1f} operators/s")
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
