"""Growth and decay of the energy E(t): the linear fit of L(t) = log E(t), and the times at which E halves and doubles.

All logarithms are natural, and their absolute values are at most 27.6 (see :mod:`spinlock.features.signals`). These
features are part of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``T`` frames, ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import (
    MIN_ENERGY_RATIO,
    NOISE_FLOOR,
    centered,
    detrended,
    log_energy,
    run_rms,
    safe_divisor,
    slope,
)

FEATURES = {
    "growth_rate": "least-squares slope of L(t) = log E(t); 1/frame; 0 for T = 1",
    "growth_rate_change": "(b - a) / (|a| + |b| + 1 / T) of the slopes a, b of L in the two halves; -1 to 1; "
    "0 for T < 4",
    "trend_r2": "fraction of the variance of L that its linear fit explains; 0 to 1; 0 if E is constant",
    "detrended_spread": "log10 of the standard deviation of L about its linear fit; -5 (exactly linear) to 1.2",
    "variance_final_initial": "log of the spatial variance of the last frame over that of the first; -27.6 to 27.6; "
    "0 if both are 0",
    "time_to_half": "log(1 + t) / log(T) with the first time t at which E <= E(0) / 2; 0 to 1; 1 if there is none",
    "time_to_double": "log(1 + t) / log(T) with the first time t at which E >= 2 E(0); 0 to 1; 1 if there is none",
    "settling_time": "last frame at which the distance of the points to their final values is above a tenth of its "
    "maximum, as a fraction of T - 1; 0 to 1; 0 for a stationary run",
}

SETTLED = 0.1
"""A run has settled when its distance to the final frame stays below this fraction of the largest distance."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, F]."""
    course = log_energy(run)
    residual, fluctuation = detrended(course), centered(course)
    unexplained = residual.square().sum(-1) / safe_divisor(fluctuation.square().sum(-1))
    columns = (
        slope(fluctuation),
        _rate_change(course),
        torch.where(fluctuation.abs().amax(-1) > 0, 1 - unexplained, 0.0).clamp(0, 1),
        residual.square().mean(-1).sqrt().clamp_min(NOISE_FLOOR).log10(),
        _variance_ratio(run),
        _crossing_time(course[..., :1] - course, math.log(2)),
        _crossing_time(course - course[..., :1], math.log(2)),
        _settling_time(run),
    )
    return torch.stack(columns, -1).mean(1)


def _rate_change(course: Tensor) -> Tensor:
    """Return the relative change of the slope, [R, C].

    Because of the term 1 / T it is near 0 if both slopes are far below one e-fold per run.
    """
    frames = course.shape[-1]
    if frames < 4:
        return torch.zeros_like(course[..., 0])
    first, second = slope(course[..., : frames // 2]), slope(course[..., -(frames // 2) :])
    return (second - first) / (first.abs() + second.abs() + 1 / frames)


def _variance_ratio(run: Run) -> Tensor:
    """Return the log of the spatial variance of the last over that of the first frame, [R, C].

    Each variance is at least 1e-12 times the mean square of the run.
    """
    ends = run.frames[:, [0, -1]].var((-2, -1), correction=0)
    first, last = torch.maximum(ends, MIN_ENERGY_RATIO * run_rms(run).square()[:, None]).log().unbind(1)
    return (last - first).clamp(math.log(MIN_ENERGY_RATIO), -math.log(MIN_ENERGY_RATIO))


def _crossing_time(rise: Tensor, height: float) -> Tensor:
    """Return log(1 + t) / log(T) with the interpolated first time t at which ``rise`` [R, C, T] reaches ``height``."""
    frames = rise.shape[-1]
    if frames == 1:
        return torch.ones_like(rise[..., 0])
    above = rise >= height
    frame = above.to(torch.uint8).argmax(-1, keepdim=True).clamp_min(1)
    left, right = rise.gather(-1, frame - 1), rise.gather(-1, frame)
    fraction = ((height - left) / safe_divisor(right - left)).clamp(0, 1)
    time = (frame - 1 + fraction).squeeze(-1)
    return torch.where(above.any(-1), (1 + time).log() / math.log(frames), 1.0)


def _settling_time(run: Run) -> Tensor:
    """Return the fraction of the run after which the points stay close to their final values, [R, C]."""
    distance = (run.points - run.points[..., -1:, :]).square().mean(-1).sqrt() / run_rms(run)[..., None]
    largest = distance.amax(-1, keepdim=True)
    is_unsettled = (distance > SETTLED * largest) & (largest > NOISE_FLOOR)
    frames = distance.shape[-1]
    frame = torch.arange(frames, dtype=distance.dtype, device=distance.device)
    return (is_unsettled * (frame + 1)).amax(-1) / max(frames - 1, 1)
