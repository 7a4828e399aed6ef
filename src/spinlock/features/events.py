"""Events of a run, from its activity a(t) = rms_x(u(t + 1) - u(t)) and from signals that change sign or state.

Counts are given per step, from one frame to the next, and lengths as shares of the run. Part of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import (
    FLOOR,
    centered,
    detrended,
    level,
    log_energy,
    moving_points,
    standardized,
    switches,
)

FEATURES = {
    "activity": "log10 of the root mean square change per frame over that of u; -5 (nothing moves) to 0.32",
    "activity_trend": "log of the mean activity in the last quarter of the run over that in the first; -11.5 to 11.5; "
    "0 where nothing moves",
    "spike_share": "share of the frames whose activity is above 3 times its median; 0 to 0.5",
    "burst_rate": "bursts (2 or more frames on end with activity above 1.5 times its mean) per frame; 0 to 0.33",
    "longest_burst": "length of the longest burst; share of the run; 0 to 0.67",
    "regime_switches": "changes per frame between a high and a low state of log E(t), which has to go half its "
    "standard deviation beyond its mean to change state; 0 to 1",
    "zero_crossings": "crossings per frame of the points through their trend lines; 0 to 1",
    "energy_zero_crossings": "crossings per frame of log E(t) through its trend line; 0 to 1",
}

SPIKE, BURST, STATE = 3.0, 1.5, 0.5


def compute(run: Run) -> Tensor:
    """[R, F], averaged over channels."""
    active = activity(run)
    count = active.shape[-1]
    energy = log_energy(run)
    burst, longest = _bursts(active)
    spikes = active > SPIKE * active.median(-1, keepdim=True).values.clamp_min(FLOOR)
    columns = (
        active.square().mean(-1).sqrt().clamp_min(FLOOR).log10(),
        _trend(active),
        spikes.float().mean(-1),
        burst,
        longest,
        switches(standardized(centered(energy)), STATE) / count,
        switches(detrended(moving_points(run)), FLOOR).mean(-1) / count,
        switches(detrended(energy), FLOOR) / count,
    )
    return torch.stack(columns, -1).mean(1)


def activity(run: Run) -> Tensor:
    """Root mean square change per frame over the level of the run, [R, C, T - 1]; one 0 for a single frame."""
    if run.frames.shape[1] == 1:
        return torch.zeros_like(run.mean)
    # Run by run: the differences of all runs at once would not fit a cache.
    change = [torch.linalg.vector_norm(frames[1:] - frames[:-1], dim=(-2, -1)) for frames in run.frames]
    points = math.prod(run.frames.shape[-2:])
    return torch.stack(change).transpose(1, 2) / math.sqrt(points) / level(run)[..., None]


def _trend(active: Tensor) -> Tensor:
    quarter = max(active.shape[-1] // 4, 1)
    first, last = active[..., :quarter].mean(-1), active[..., -quarter:].mean(-1)
    return (last.clamp_min(FLOOR) / first.clamp_min(FLOOR)).log().clamp(math.log(FLOOR), -math.log(FLOOR))


def _bursts(active: Tensor) -> tuple[Tensor, Tensor]:
    """Number of bursts per frame and length of the longest as a share, [R, C] each."""
    high = active > BURST * active.mean(-1, keepdim=True).clamp_min(FLOOR)
    place = torch.arange(active.shape[-1], device=active.device)
    calm = torch.where(high, -1, place).cummax(-1).values
    length = place - calm  # of the stretch of high activity that ends here
    begun = (length == 2).sum(-1)
    longest = torch.where(begun > 0, length.amax(-1), 0)
    return begun / active.shape[-1], longest / active.shape[-1]
