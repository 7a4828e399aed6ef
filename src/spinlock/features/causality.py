"""The causality group: what leads what, which way things move, and which way time runs.

Time irreversibility is <d^3> / <d^2>^1.5 of a signal's increments d (Ramsey and Rothman 1996): 0 for a signal that
looks the same backwards, positive for fast rises and slow falls. It is bounded as x / (1 + |x|).

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``F`` features.
"""

import torch
from torch import Tensor

from spinlock.features import advection, coupling
from spinlock.features.run import Run
from spinlock.features.signals import centered, log_energy, moving_points, positive

FEATURES: dict[str, str] = {
    **coupling.FEATURES,
    **advection.FEATURES,
    "irreversibility": "of the points, pooled; -1 (fast falls) to 1 (fast rises); 0 where nothing moves",
    "irreversibility_strength": "size of that of each point, mean over points; 0 to 1",
    "energy_irreversibility": "of log E(t); -1 to 1",
}


def compute(run: Run) -> Tensor:
    """[R, F]."""
    points = moving_points(run)
    one_way = (
        irreversibility(points.diff(dim=-1).flatten(-2)),
        irreversibility(points.diff(dim=-1)).abs().mean(-1),
        irreversibility(centered(log_energy(run)).diff(dim=-1)),
    )
    irreversible = torch.stack(one_way, -1).mean(1)
    return torch.cat([coupling.compute(run), advection.compute(run), irreversible], -1)


def irreversibility(increments: Tensor) -> Tensor:
    """x / (1 + |x|) with x = <d^3> / <d^2>^1.5 of increments d [..., T - 1]; 0 where there are none."""
    if increments.shape[-1] == 0:
        return increments.new_zeros(increments.shape[:-1])
    scale = positive(increments.square().mean(-1, keepdim=True).sqrt())
    skewness = (increments / scale).pow(3).mean(-1)
    return skewness / (1 + skewness.abs())
