"""Operators per second of ``generate`` by family, and the share of rollout, features and writing.

For every family one block of operators is rolled out, probed and described a few times on one core (or the GPU), and
the median taken, for neural operators the mean over five architectures; blocks are what a run computes side by side.
The whole command is timed by itself.

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
from spinlock.generation.block import collected, flattened
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.budget import single_threaded
from spinlock.generation.design import operators_of
from spinlock.generation.shards import ShardStore
from spinlock.operators.rollout import probe, roll_out
from spinlock.operators.sampling import Operators
from spinlock.runtime.device import choose_device


def timed(action: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """What an action gives, and its seconds."""
    started = time.perf_counter()
    result = action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - started


def one_block(block: Block, operators: Operators, config: DatasetConfig, device: torch.device) -> dict[str, float]:
    """Seconds of each part of one block."""
    made, drawing = timed(lambda: assemble(block, operators, config, device), device)
    limits = {"warmup": config.warmup_steps, "bound": config.blow_up_bound}
    rollout, rolling = timed(lambda: roll_out(made.step, made.start, config.num_steps, **limits), device)
    probes, probing = timed(lambda: probe(made.step, rollout.frames, made.directions, **limits), device)
    tables, describing = timed(lambda: extract(rollout.frames, flattened(probes)), device)
    with tempfile.TemporaryDirectory() as folder:
        store = ShardStore(Path(folder) / "d.h5")
        store.prepare({}, resume=False, overwrite=False)
        count = len(block.members)
        result = collected(tables, rollout.frames, rollout.blow_up, count, keep=config.store_trajectories)
        _, writing = timed(lambda: store.write(block, result), device)
    return {"draws": drawing, "rollout": rolling, "probes": probing, "features": describing, "writing": writing}


def by_family(config: DatasetConfig, device: torch.device, repeats: int) -> list[dict[str, Any]]:
    """A row for each family: operators per second of one block at a time, and shares."""
    operators = operators_of(config)
    rows = []
    with torch.no_grad(), single_threaded(device):
        for family, blocks in _blocks(operators, device).items():
            taken = [[one_block(block, operators, config, device) for _ in range(repeats)] for block in blocks]
            parts = {name: fmean(median(each[name] for each in again) for again in taken) for name in taken[0][0]}
            whole = sum(parts.values())
            size = blocks[0].size
            rows.append(
                {"family": family, "operators_per_second": size / whole, **{k: v / whole for k, v in parts.items()}}
            )
    return rows


def _blocks(operators: Operators, device: torch.device) -> dict[str, list[Block]]:
    """One block of each PDE family, and five of the neural ones, evenly over the architectures by cost."""
    found: dict[str, list[Block]] = {}
    for block in plan_blocks(operators, device.type):
        found.setdefault(block.family, []).append(block)
    return {
        family: blocks[:1] if blocks[0].architecture is None else _spread(blocks)
        for family, blocks in sorted(found.items())
    }


def _spread(blocks: list[Block]) -> list[Block]:
    ranked = sorted(blocks, key=lambda block: block.architecture.operations if block.architecture else 0)
    return [ranked[len(ranked) * part // 10] for part in (1, 3, 5, 7, 9)]


def whole_command(config: Path, device: str) -> dict[str, float]:
    """Seconds of ``spinlock generate`` in a process of its own, and operators per second."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "spinlock", "generate", "--config", str(config), "--device", device]
        started = time.perf_counter()
        subprocess.run([*command, "--output", f"{folder}/dataset.h5"], check=True)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "operators_per_second": load_dataset_config(config).num_samples / seconds}


def main() -> None:
    """Print the table, and the whole command if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="dataset configuration")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="time the whole command too")
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
    parts = ("draws", "rollout", "probes", "features", "writing")
    print(f"| family | operators/s | {' | '.join(parts)} |")
    print("|---" * (2 + len(parts)) + "|")
    for row in rows:
        shares = " | ".join(f"{100 * row[part]:.0f} %" for part in parts)
        print(f"| {row['family']} | {row['operators_per_second']:.1f} | {shares} |")
    if arguments.whole:
        result["whole"] = whole_command(arguments.config, str(device))
        whole = result["whole"]
        print(f"whole command: {whole['seconds']:.0f} s, {whole['operators_per_second']:.1f} operators/s")
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
