"""Computation of one block: roll out its operators, run the probes and extract the features."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config.dataset import RolloutSettings
from spinlock.features.extract import FeatureTables, extract
from spinlock.features.run import Probes
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block
from spinlock.generation.design import Design
from spinlock.generation.snapshots import SnapshotPlan
from spinlock.operators.rollout import EPSILONS, SCALES, ProbeRuns, Rollout, probe, roll_out

FEATURE_OPERATORS = 8
"""Number of operators whose features are computed at the same time on a CPU."""


@dataclass(frozen=True)
class BlockResult:
    """Features and fields of the n operators of a block, in host memory.

    Attributes
    ----------
    per_timestep, per_trajectory, aggregated
        Feature tables [n, T, D1], [n, M, D2] and [n, D], float32.
    blow_up
        Step in which each run diverged, counted from 1, or 0, [n, M] int32.
    fields
        Frames [n, M, T, C, H, W], or None if they are not stored.
    snapshots
        Frames [s, F, C, H, W] of the first realization of the s operators with snapshots, or None if there are none.
    """

    per_timestep: NDArray[np.float32]
    per_trajectory: NDArray[np.float32]
    aggregated: NDArray[np.float32]
    blow_up: NDArray[np.int32]
    fields: NDArray[np.float32] | None
    snapshots: NDArray[np.float32] | None = None

    @classmethod
    def collect(cls, tables: FeatureTables, rollout: Rollout, num_members: int, *, with_fields: bool) -> "BlockResult":
        """Copy the results of a block to host memory.

        Parameters
        ----------
        tables, rollout
            Features and frames of the batch.
        num_members
            Number of operators n; the rest of the batch are copies of the last operator.
        with_fields
            Whether the frames are included.
        """

        def to_host(values: Tensor) -> NDArray[np.float32]:
            return np.asarray(values[:num_members].cpu().numpy())

        return cls(
            to_host(tables.per_timestep),
            to_host(tables.per_trajectory),
            to_host(tables.aggregated),
            np.asarray(rollout.blow_up[:num_members].cpu().numpy(), dtype=np.int32),
            to_host(rollout.frames) if with_fields else None,
        )


@torch.no_grad()
def compute_block(
    block: Block,
    design: Design,
    settings: RolloutSettings,
    snapshots: SnapshotPlan,
    device: torch.device,
    check: Callable[[], None] = lambda: None,
) -> BlockResult:
    """Compute the features of one block.

    Parameters
    ----------
    block
        The operators to compute.
    design
        The sampled operators of the dataset.
    settings
        Grid, number of steps and realizations, and the bound on field values.
    snapshots
        The operators and frames that are stored.
    device
        Device of the computation.
    check
        Called before each step; it can raise an exception to stop the computation.

    Returns
    -------
    BlockResult
    """
    assembly = assemble(block, design, settings, device)

    def step(fields: Tensor, index: int) -> Tensor:
        check()
        return assembly.step(fields, index)

    warmup, bound = settings.warmup_steps, settings.blow_up_bound
    rollout = roll_out(step, assembly.start, settings.num_steps, warmup=warmup, bound=bound)
    probes = probe(step, rollout.frames, assembly.directions, warmup=warmup, bound=bound)
    tables = extract_in_parts(rollout.frames, probes, part_size(block, device))
    result = BlockResult.collect(tables, rollout, len(block.members), with_fields=settings.store_trajectories)
    return replace(result, snapshots=snapshots.select(block, rollout.frames))


def part_size(block: Block, device: torch.device) -> int:
    """Return the number of operators of a block whose features are computed at the same time."""
    return len(block.padded) if device.type == "cuda" else min(block.size, FEATURE_OPERATORS)


def extract_in_parts(frames: Tensor, probes: ProbeRuns, size: int) -> FeatureTables:
    """Compute the features of a block in parts of ``size`` operators.

    Parts fit the caches better than a whole block. The last part is padded with copies of its last operator, so that
    the rounding of a row does not depend on the number of operators.

    Parameters
    ----------
    frames
        Frames of the rollouts, [B, M, T, C, H, W].
    probes
        Probe runs of the rollouts.
    size
        Number of operators in a part.

    Returns
    -------
    FeatureTables
        Tables of B operators.
    """
    num_operators = len(frames)
    parts = []
    for start in range(0, num_operators, size):
        rows = [min(row, num_operators - 1) for row in range(start, start + size)]
        part = ProbeRuns(probes.base[rows], probes.perturbed[rows], probes.scaled[rows])
        parts.append(extract(frames[rows], flatten_probes(part)))
    return FeatureTables(
        torch.cat([part.per_timestep for part in parts])[:num_operators],
        torch.cat([part.per_trajectory for part in parts])[:num_operators],
        torch.cat([part.aggregated for part in parts])[:num_operators],
    )


def flatten_probes(probes: ProbeRuns) -> Probes:
    """Return the probes with the axes of operators and realizations, B and M, flattened to one axis of runs, R."""
    return Probes(
        probes.base.flatten(0, 1), probes.perturbed.flatten(0, 1), EPSILONS, probes.scaled.flatten(0, 1), SCALES
    )
