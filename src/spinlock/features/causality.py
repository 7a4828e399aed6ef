"""The causality group: lead and lag between points and channels, velocity of the field, and time irreversibility.

The time irreversibility is x / (1 + |x|) with the skewness x = <d^3> / <d^2>^1.5 of the increments d of a signal
(Ramsey and Rothman 1996). It is 0 for a signal with the same statistics in reversed time, and positive for fast rises
and slow falls.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``F`` features.
"""

import torch
from torch import Tensor

from spinlock.features import advection, coupling
from spinlock.features.run import Run
from spinlock.features.signals import centered, log_energy, point_fluctuations, safe_divisor

FEATURES: dict[str, str] = {
    **coupling.FEATURES,
    **advection.FEATURES,
    "irreversibility": "time irreversibility of the increments of all points together; -1 (fast falls) to 1 "
    "(fast rises); 0 for a stationary run",
    "irreversibility_strength": "mean over points of the absolute time irreversibility of each point; 0 to 1",
    "energy_irreversibility": "time irreversibility of log E(t); -1 to 1",
}


def compute(run: Run) -> Tensor:
    """Return the features, [R, F]."""
    points = point_fluctuations(run)
    columns = (
        irreversibility(points.diff(dim=-1).flatten(-2)),
        irreversibility(points.diff(dim=-1)).abs().mean(-1),
        irreversibility(centered(log_energy(run)).diff(dim=-1)),
    )
    averaged = torch.stack(columns, -1).mean(1)
    return torch.cat([coupling.compute(run), advection.compute(run), averaged], -1)


def irreversibility(increments: Tensor) -> Tensor:
    """Return x / (1 + |x|) with x = <d^3> / <d^2>^1.5 of increments d [..., T - 1]; 0 for T = 1."""
    if increments.shape[-1] == 0:
        return increments.new_zeros(increments.shape[:-1])
    scale = safe_divisor(increments.square().mean(-1, keepdim=True).sqrt())
    skewness = (increments / scale).pow(3).mean(-1)
    return skewness / (1 + skewness.abs())
