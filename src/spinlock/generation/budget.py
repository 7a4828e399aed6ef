"""What a run needs: cores, disk, memory, time."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from spinlock.config.dataset import DatasetConfig
from spinlock.errors import OutputError, RunError
from spinlock.features.extract import extract, feature_names
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block
from spinlock.operators.neural import CHANNELS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.rollout import EPSILONS, PROBE_STEPS, SCALES
from spinlock.operators.sampling import Operators
from spinlock.runtime.threads import single_threaded

MARGIN = 1.1
"""Room for HDF5's own structures."""

TIMED_FRAMES = 8
FRAMES_AT_ONCE = 2.5
"""Memory of a block over that of its frames: what features hold beside them (measured)."""
PROCESS_BYTES = 600_000_000
"""What a process has loaded before the first block (measured)."""


def table_bytes(config: DatasetConfig) -> int:
    """The three feature tables, uncompressed."""
    names = feature_names(with_probes=True)
    row = (
        len(names.aggregated)
        + config.num_realizations * len(names.per_trajectory)
        + config.num_steps * len(names.per_timestep)
    )
    return 4 * row * config.num_samples


def field_bytes(config: DatasetConfig, operators: Operators) -> int:
    """The raw fields of all operators, in the channels that they have."""
    frame = config.num_realizations * config.num_steps * config.grid_size**2
    channels = sum(
        len(operators.members(number)) * (FAMILIES[each.family].channels if each.family in FAMILIES else CHANNELS)
        for number, each in enumerate(operators.strata)
    )
    return 4 * frame * channels


def disk_bytes(config: DatasetConfig, operators: Operators) -> int:
    """The most that a run has on disk at once: the parts, and the dataset being joined from them."""
    kept = field_bytes(config, operators) if config.store_trajectories else 0
    return int(MARGIN * 2 * (table_bytes(config) + kept))


def check_disk(config: DatasetConfig, operators: Operators, output: Path, *, there: int = 0) -> None:
    """Refuse to start what cannot be finished; ``there`` bytes of it are on disk already.

    Raises:
        OutputError: there is not enough room where the output goes.
    """
    directory = next(parent for parent in output.absolute().parents if parent.exists())
    needed, free = disk_bytes(config, operators) - there, shutil.disk_usage(directory).free
    if needed > free:
        raise OutputError(
            f"not enough room: {free / 1e9:.2f} GB are free",
            where=str(directory),
            expected=f"{needed / 1e9:.2f} GB",
            remedy="free some, choose another output, or fewer operators"
            + (", or leave store_trajectories false" if config.store_trajectories else ""),
        )


def memory_bytes(config: DatasetConfig, blocks: Sequence[Block], workers: int) -> int:
    """About what a run needs at once, with ``workers`` blocks being computed."""
    runs = max(block.size for block in blocks) * config.num_realizations
    channels = max(FAMILIES[block.family].channels if block.architecture is None else CHANNELS for block in blocks)
    frames = 4 * runs * config.num_steps * channels * config.grid_size**2
    return PROCESS_BYTES + int(workers * FRAMES_AT_ONCE * frames)


def check_memory(config: DatasetConfig, blocks: Sequence[Block], device: torch.device, workers: int) -> None:
    """Refuse blocks that the machine, or the GPU, cannot hold.

    Raises:
        RunError: there is not as much memory.
    """
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    elif hasattr(os, "sysconf"):
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        return
    needed = memory_bytes(config, blocks, workers)
    if needed > there:
        raise RunError(
            f"not enough memory: {there / 1e9:.1f} GB on {device.type}",
            expected=f"about {needed / 1e9:.1f} GB for {workers} blocks at once",
            remedy="lower grid_size, num_steps, num_realizations or batch_size",
        )


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of computing with ``workers`` blocks at once, most ``disk`` bytes, about ``memory`` bytes."""

    seconds: float
    disk: int
    memory: int


def estimate(
    config: DatasetConfig, operators: Operators, blocks: Sequence[Block], device: torch.device, workers: int
) -> Estimate:
    """Time a few steps of one block of each family, and the features of a few frames, and scale them up."""
    seconds = 0.0
    for family in sorted({block.family for block in blocks}):
        own = [block for block in blocks if block.family == family]
        largest = max(own, key=_operations)
        with single_threaded(device):
            step, features = _time_block(largest, operators, config, device)
        steps = config.warmup_steps + config.num_steps + PROBE_STEPS * (len(EPSILONS) + len(SCALES))
        seconds += features * config.num_steps * len(own)
        seconds += step * steps * sum(_operations(block) / _operations(largest) for block in own)
    memory = memory_bytes(config, blocks, workers)
    return Estimate(seconds / workers, disk_bytes(config, operators), memory)


def _operations(block: Block) -> float:
    """Relative cost of a step: that of a network by its size, that of any PDE block of a family the same."""
    return 1.0 if block.architecture is None else float(block.architecture.operations)


@torch.no_grad()
def _time_block(block: Block, operators: Operators, config: DatasetConfig, device: torch.device) -> tuple[float, float]:
    """Seconds of one step, and of the features of one frame, of all operators of a block."""
    made = assemble(block, operators, config, device)
    made.step(made.start, 0)  # the first call sets tables up
    step = _seconds(lambda: made.step(made.start, 0), device)
    frames = made.start.unsqueeze(2).repeat(1, 1, TIMED_FRAMES, 1, 1, 1)
    return step, _seconds(lambda: extract(frames, None), device) / TIMED_FRAMES


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """The faster of two goes."""
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return min(taken)
