"""Estimates of the disk space, memory and time of a generation, and checks of the available space and memory.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch

from spinlock.config.dataset import RolloutSettings
from spinlock.errors import OutputError, RunError
from spinlock.features.extract import extract, feature_names
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import FEATURE_OPERATORS
from spinlock.generation.design import Design
from spinlock.generation.snapshots import choose_steps, snapshot_bytes
from spinlock.operators.network import CHANNELS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.rollout import EPSILONS, PROBE_STEPS, SCALES
from spinlock.operators.sampling import Operators
from spinlock.runtime.threads import single_threaded

DISK_MARGIN = 1.1
"""Factor of the disk space, for the internal structures of HDF5 files."""

TIMED_FRAMES = 8
"""Number of frames with which the time of feature extraction is measured."""

TIMED_STEPS, TIMED_OPERATORS = 20, 8
"""Numbers of steps and of operators of a PDE family with which the time of a rollout is measured."""

TIMED_NEURAL_STEPS = 2
"""Number of steps with which the time of a rollout of neural operators is measured; every step takes the same time."""

MEMORY_PER_FRAME = 2.0
"""Peak memory of a block over the size of its frames and probe runs, rounded up; features need temporary arrays."""

PROCESS_BYTES = 600_000_000
"""Memory of a process before its first block, as measured, in bytes."""

WORKER_BYTES = 100_000_000
"""Memory of a worker process without its block, rounded up, in bytes; it shares the libraries with its parent."""


@dataclass(frozen=True)
class Estimate:
    """Estimated ``seconds`` of computation, maximum ``disk`` space in bytes and ``memory`` in bytes."""

    seconds: float
    disk: int
    memory: int


def table_bytes(num_operators: int, settings: RolloutSettings) -> int:
    """Return the uncompressed size of the three feature tables in bytes."""
    names = feature_names(with_probes=True)
    row = (
        len(names.aggregated)
        + settings.num_realizations * len(names.per_trajectory)
        + settings.num_steps * len(names.per_timestep)
    )
    return 4 * row * num_operators


def field_bytes(operators: Operators, settings: RolloutSettings) -> int:
    """Return the size of the frames of all operators in bytes; families differ in the number of channels."""
    frames = settings.num_realizations * settings.num_steps * settings.grid_size**2
    channels = sum(
        len(operators.members(number)) * (FAMILIES[each.family].channels if each.family in FAMILIES else CHANNELS)
        for number, each in enumerate(operators.strata)
    )
    return 4 * frames * channels


def disk_bytes(operators: Operators, settings: RolloutSettings) -> int:
    """Return the maximum disk space in bytes; it is needed while the blocks are merged into the dataset."""
    fields = field_bytes(operators, settings) if settings.store_trajectories else 0
    snapshots = snapshot_bytes(operators, settings)
    return int(DISK_MARGIN * 2 * (table_bytes(operators.count, settings) + fields + snapshots))


def check_disk(
    operators: Operators, settings: RolloutSettings, output: Path, *, written: int = 0, fraction: float = 1.0
) -> None:
    """Check that the dataset fits on the disk of ``output``.

    Parameters
    ----------
    operators
        The operators of the dataset.
    settings
        The shape of the rollouts.
    output
        Path of the dataset.
    written
        Bytes of the block files that exist already.
    fraction
        Fraction of the operators that the file contains.

    Raises
    ------
    OutputError
        There is not enough free space.
    """
    directory = next(parent for parent in output.absolute().parents if parent.exists())
    needed, free = int(fraction * disk_bytes(operators, settings)) - written, shutil.disk_usage(directory).free
    if needed > free:
        raise OutputError(
            f"not enough disk space: {free / 1e9:.2f} GB are free",
            where=str(directory),
            expected=f"{needed / 1e9:.2f} GB",
            remedy="free disk space, choose another output, or lower num_samples"
            + (", or set store_trajectories to false" if settings.store_trajectories else "")
            + (", or lower save_fields" if settings.save_fields else ""),
        )


def memory_bytes(blocks: Sequence[Block], settings: RolloutSettings, workers: int) -> int:
    """Return the approximate memory, in bytes, of a run that computes ``workers`` blocks at the same time."""
    operators = max(max(len(block.padded), min(block.size, FEATURE_OPERATORS)) for block in blocks)
    channels = max(FAMILIES[block.family].channels if block.architecture is None else CHANNELS for block in blocks)
    frame = 4 * channels * settings.grid_size**2
    num_frames = settings.num_steps + (PROBE_STEPS + 1) * (len(EPSILONS) + len(SCALES))
    frames = operators * settings.num_realizations * num_frames
    snapshots = min(operators, settings.save_fields) * len(choose_steps(settings.num_steps))
    spectra = max(len(block.padded) * _spectrum_bytes(block, settings) for block in blocks)
    block_bytes = frame * int(MEMORY_PER_FRAME * frames + snapshots) + spectra
    stored = frame * operators * settings.num_realizations * settings.num_steps if settings.store_trajectories else 0
    # Up to workers + 1 results and a copy of one wait to be written.
    return PROCESS_BYTES + workers * (WORKER_BYTES + block_bytes) + (workers + 2) * stored


def _spectrum_bytes(block: Block, settings: RolloutSettings) -> int:
    """Return the size in bytes of the spectra of the kernels of one neural operator of a block."""
    return 0 if block.architecture is None else block.architecture.spectrum_bytes(_grid(settings))


def _grid(settings: RolloutSettings) -> tuple[int, int]:
    """Return the numbers of grid points (H, W)."""
    return settings.grid_size, settings.grid_size


def check_memory(blocks: Sequence[Block], settings: RolloutSettings, device: torch.device, workers: int) -> None:
    """Check that the blocks that are computed at the same time fit in the memory of the machine or of the GPU.

    Raises
    ------
    RunError
        There is not enough memory.
    """
    if device.type == "cuda":
        available = torch.cuda.get_device_properties(device).total_memory
    elif hasattr(os, "sysconf"):
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        return
    needed = memory_bytes(blocks, settings, workers)
    if needed > available:
        raise RunError(
            f"not enough memory: {available / 1e9:.1f} GB on {device.type}",
            expected=f"about {needed / 1e9:.1f} GB for {workers} blocks at the same time",
            remedy="lower grid_size, num_steps, num_realizations or batch_size",
        )


def estimate_budget(
    blocks: Sequence[Block], design: Design, settings: RolloutSettings, device: torch.device, workers: int
) -> Estimate:
    """Estimate time, disk space and memory.

    The time of a few steps and of the features of a few frames is measured for a few operators of each family. The
    first steps take more time than later ones, because rough initial states need more integrator substeps. Each
    remaining step is assumed to take the median time of the last five.

    Parameters
    ----------
    blocks
        The blocks of the file, which is the dataset or a shard of it.
    design
        The sampled operators of the dataset.
    settings
        The shape of the rollouts.
    device
        Device of the computation.
    workers
        Number of blocks that are computed at the same time.

    Returns
    -------
    Estimate
    """
    seconds = 0.0
    num_steps = settings.warmup_steps + settings.num_steps + PROBE_STEPS * (len(EPSILONS) + len(SCALES))
    for family in sorted({block.family for block in blocks}):
        family_blocks = [block for block in blocks if block.family == family]
        costs = [_step_cost(block, settings) for block in family_blocks]
        largest = family_blocks[costs.index(max(costs))]
        with single_threaded(device):
            steps, features = _time_block(largest, design, settings, device)
        rollout = sum(steps) + (num_steps - len(steps)) * median(steps[-5:])
        cost = sum(len(block.padded) * each for block, each in zip(family_blocks, costs, strict=True)) / max(costs)
        seconds += cost * rollout + features * settings.num_steps * sum(len(block.padded) for block in family_blocks)
    memory = memory_bytes(blocks, settings, workers)
    fraction = sum(len(block.members) for block in blocks) / design.operators.count
    return Estimate(seconds / workers, int(fraction * disk_bytes(design.operators, settings)), memory)


def _step_cost(block: Block, settings: RolloutSettings) -> float:
    """Return the relative cost of a step: that of the network, or 1 for every block of a PDE family."""
    return 1.0 if block.architecture is None else float(block.architecture.relative_cost(_grid(settings)))


@torch.no_grad()
def _time_block(
    block: Block, design: Design, settings: RolloutSettings, device: torch.device
) -> tuple[list[float], float]:
    """Return the seconds of successive steps, and the seconds of the features of one frame, for one operator."""
    num_steps = TIMED_NEURAL_STEPS
    if block.architecture is None:
        block = replace(block, members=block.members[:TIMED_OPERATORS], size=min(block.size, TIMED_OPERATORS))
        num_steps = TIMED_STEPS
    assembly = assemble(block, design, settings, device)
    assembly.step(assembly.start, 0)  # the first call initializes the FFT and convolution plans
    assembly = assemble(block, design, settings, device)
    states, steps = assembly.start, []
    for index in range(num_steps):
        started = _now(device)
        states = assembly.step(states, index)
        steps.append((_now(device) - started) / len(block.padded))
    frames = assembly.start.unsqueeze(2).repeat(1, 1, TIMED_FRAMES, 1, 1, 1)
    started = _now(device)
    extract(frames, None)
    return steps, (_now(device) - started) / TIMED_FRAMES / len(block.padded)


def _now(device: torch.device) -> float:
    """Return the time in seconds after all computations of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
