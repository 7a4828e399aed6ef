"""One block from its draws to its features: assemble, roll out, probe, describe."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config.dataset import DatasetConfig
from spinlock.features.extract import FeatureTables, extract
from spinlock.features.run import Probes
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block
from spinlock.operators.rollout import EPSILONS, SCALES, ProbeRuns, probe, roll_out
from spinlock.operators.sampling import Operators


@dataclass(frozen=True)
class BlockResult:
    """What a block's n members came to; the copies that filled it up are gone.

    ``per_timestep`` [n, T, D1], ``per_trajectory`` [n, M, D2] and ``aggregated`` [n, D] float32; ``blow_up`` [n, M]
    int32, the step that failed or 0; ``fields`` [n, M, T, C, H, W] where they are kept.
    """

    per_timestep: NDArray[np.float32]
    per_trajectory: NDArray[np.float32]
    aggregated: NDArray[np.float32]
    blow_up: NDArray[np.int32]
    fields: NDArray[np.float32] | None


@torch.no_grad()
def compute_block(
    block: Block,
    operators: Operators,
    config: DatasetConfig,
    device: torch.device,
    check: Callable[[], None] = lambda: None,
) -> BlockResult:
    """Compute a block; ``check`` is called before each step and may raise to stop it."""
    made = assemble(block, operators, config, device)

    def step(fields: Tensor, index: int) -> Tensor:
        check()
        return made.step(fields, index)

    rollout = roll_out(step, made.start, config.num_steps, warmup=config.warmup_steps, bound=config.blow_up_bound)
    probes = probe(step, rollout.frames, made.directions, warmup=config.warmup_steps, bound=config.blow_up_bound)
    tables = extract(rollout.frames, flattened(probes))
    return collected(tables, rollout.frames, rollout.blow_up, len(block.members), keep=config.store_trajectories)


def flattened(probes: ProbeRuns) -> Probes:
    """Runs of operators as runs: B and M become R."""
    return Probes(
        probes.base.flatten(0, 1), probes.perturbed.flatten(0, 1), EPSILONS, probes.scaled.flatten(0, 1), SCALES
    )


def collected(tables: FeatureTables, frames: Tensor, blow_up: Tensor, count: int, *, keep: bool) -> BlockResult:
    """What the first ``count`` operators came to, on the host."""

    def host(values: Tensor) -> NDArray[np.float32]:
        return np.asarray(values[:count].cpu().numpy())

    return BlockResult(
        host(tables.per_timestep),
        host(tables.per_trajectory),
        host(tables.aggregated),
        np.asarray(blow_up[:count].cpu().numpy(), dtype=np.int32),
        host(frames) if keep else None,
    )
