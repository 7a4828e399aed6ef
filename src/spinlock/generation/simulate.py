"""Features of the operators of a design in memory, without a dataset.

Letters: ``N`` operators, ``M`` realizations, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.config.dataset import RolloutSettings
from spinlock.generation.blocks import plan_blocks
from spinlock.generation.design import Design
from spinlock.generation.parallel import computed_blocks
from spinlock.generation.snapshots import SnapshotPlan
from spinlock.runtime.threads import available_cores


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Simulation:
    """Features of N operators.

    Attributes
    ----------
    aggregated
        Aggregated features [N, D] in the columns of :func:`~spinlock.features.extract.feature_names`.
    diverged
        Whether a realization diverged, [N].
    """

    aggregated: NDArray[np.float32]
    diverged: NDArray[np.bool_]


def simulate(
    design: Design,
    settings: RolloutSettings,
    device: torch.device,
    advance: Callable[[int], None] = lambda operators: None,
) -> Simulation:
    """Roll out operators and compute their aggregated features.

    Blocks that are not full are not padded with copies. Therefore the values can differ in rounding from those of a
    dataset.

    Parameters
    ----------
    design
        The operators.
    settings
        Grid, number of steps and realizations, and the bound on field values. No frames are stored.
    device
        Device of the computation.
    advance
        Called with the number of operators that were computed since the last call.

    Returns
    -------
    Simulation
    """
    settings = settings.model_copy(update={"store_trajectories": False, "save_fields": 0})
    blocks = [replace(block, size=len(block.members)) for block in plan_blocks(design.operators, device.type)]
    workers = min(2 if device.type == "cuda" else available_cores(), len(blocks))
    snapshots = SnapshotPlan.make(design.operators, settings)
    rows, features, diverged = [], [], []
    with computed_blocks(blocks, design, settings, snapshots, device, workers) as results:
        for block, result in results:
            rows.append(np.asarray(block.members))
            features.append(result.aggregated)
            diverged.append((result.blow_up > 0).any(1))
            advance(len(block.members))
    order = np.argsort(np.concatenate(rows))
    return Simulation(np.concatenate(features)[order], np.concatenate(diverged)[order])
