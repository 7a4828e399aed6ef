"""How the energy of a run goes: L(t) = log E(t) against a line, and the frames at which E has halved and doubled.

All logarithms are natural and bounded by 27.6 (see :mod:`spinlock.features.signals`). Part of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``T`` frames, ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import DEPTH, FLOOR, centered, detrended, level, log_energy, positive, slope

FEATURES = {
    "growth_rate": "least-squares slope of L(t) = log E(t); 1/frame; 0 for T = 1",
    "growth_rate_change": "(b - a) / (|a| + |b| + 1 / T) of the slopes a, b of L in the two halves; -1 to 1; "
    "0 for T < 4",
    "trend_r2": "share of the variance of L that its line explains; 0 to 1; 0 where E is constant",
    "detrended_spread": "log10 of the standard deviation of L about its line; -5 (nothing left) to 1.2",
    "variance_final_initial": "log of the spatial variance of the last over that of the first frame; -27.6 to 27.6; "
    "0 where both are 0",
    "time_to_half": "log(1 + t) / log(T), t the first time at which E <= E(0) / 2; 0 to 1; 1 for never",
    "time_to_double": "log(1 + t) / log(T), t the first time at which E >= 2 E(0); 0 to 1; 1 for never",
    "settling_time": "last frame at which the points are further from their final values than a tenth of the largest "
    "such distance; share of T - 1; 0 to 1; 0 where nothing moves",
}

SETTLED = 0.1
"""Of the largest distance to the final frame; below it a run has arrived."""


def compute(run: Run) -> Tensor:
    """[R, F], averaged over channels."""
    course = log_energy(run)
    line_rest, moving = detrended(course), centered(course)
    unexplained = line_rest.square().sum(-1) / positive(moving.square().sum(-1))
    columns = (
        slope(moving),
        _rate_change(course),
        torch.where(moving.abs().amax(-1) > 0, 1 - unexplained, 0.0).clamp(0, 1),
        line_rest.square().mean(-1).sqrt().clamp_min(FLOOR).log10(),
        _variance_ratio(run),
        _crossing_time(course[..., :1] - course, math.log(2)),
        _crossing_time(course - course[..., :1], math.log(2)),
        _settling_time(run),
    )
    return torch.stack(columns, -1).mean(1)


def _rate_change(course: Tensor) -> Tensor:
    """Relative change [R, C] of the slope; one e-fold in the run is the least that counts as a slope."""
    frames = course.shape[-1]
    if frames < 4:
        return torch.zeros_like(course[..., 0])
    first, second = slope(course[..., : frames // 2]), slope(course[..., -(frames // 2) :])
    return (second - first) / (first.abs() + second.abs() + 1 / frames)


def _variance_ratio(run: Run) -> Tensor:
    """log(var u(T) / var u(0)) over space, [R, C]; below 1e-12 of the mean square of the run a variance is noise."""
    ends = run.frames[:, [0, -1]].var((-2, -1), correction=0)
    first, last = torch.maximum(ends, DEPTH * level(run).square()[:, None]).log().unbind(1)
    return (last - first).clamp(math.log(DEPTH), -math.log(DEPTH))


def _crossing_time(rise: Tensor, height: float) -> Tensor:
    """First time at which ``rise`` [R, C, T], 0 at the start, reaches ``height``, interpolated, as log share of T."""
    frames = rise.shape[-1]
    if frames == 1:
        return torch.ones_like(rise[..., 0])
    above = rise >= height
    frame = above.to(torch.uint8).argmax(-1, keepdim=True).clamp_min(1)
    before, after = rise.gather(-1, frame - 1), rise.gather(-1, frame)
    part = ((height - before) / positive(after - before)).clamp(0, 1)
    time = (frame - 1 + part).squeeze(-1)
    return torch.where(above.any(-1), (1 + time).log() / math.log(frames), 1.0)


def _settling_time(run: Run) -> Tensor:
    """Share [R, C] of the run that is over when the points stay near where they end."""
    away = (run.points - run.points[..., -1:, :]).square().mean(-1).sqrt() / level(run)[..., None]
    largest = away.amax(-1, keepdim=True)
    far = (away > SETTLED * largest) & (largest > FLOOR)
    frames = away.shape[-1]
    frame = torch.arange(frames, dtype=away.dtype, device=away.device)
    return (far * (frame + 1)).amax(-1) / max(frames - 1, 1)
