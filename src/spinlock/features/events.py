"""Events of a run: peaks of its activity a(t) = rms_x(u(t + 1) - u(t)), and changes of sign or state of signals.

Counts are divided by the number of steps between frames, and lengths are fractions of the run. These features are part
of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import (
    NOISE_FLOOR,
    centered,
    count_sign_changes,
    detrended,
    log_energy,
    point_fluctuations,
    run_rms,
    standardized,
)

FEATURES = {
    "activity": "log10 of the root mean square change per frame over that of u; -5 (stationary) to 0.32",
    "activity_trend": "log of the mean activity in the last quarter of the run over that in the first; -11.5 to 11.5; "
    "0 for a stationary run",
    "spike_share": "fraction of the frames whose activity is above 3 times its median; 0 to 0.5",
    "burst_rate": "bursts (2 or more successive frames with activity above 1.5 times its mean) per frame; 0 to 0.33",
    "longest_burst": "length of the longest burst as a fraction of the run; 0 to 0.67",
    "regime_switches": "changes per frame between a high and a low state of log E(t); the state changes half a "
    "standard deviation beyond the mean; 0 to 1",
    "zero_crossings": "crossings per frame of the points through their trend lines; 0 to 1",
    "energy_zero_crossings": "crossings per frame of log E(t) through its trend line; 0 to 1",
}

SPIKE, BURST, STATE = 3.0, 1.5, 0.5
"""Thresholds of spikes (in units of the median activity), bursts (mean activity) and states (standard deviation)."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, F]."""
    course = activity(run)  # time course [R, C, T - 1]
    count = course.shape[-1]
    energy = log_energy(run)
    burst_rate, longest = _bursts(course)
    spikes = course > SPIKE * course.median(-1, keepdim=True).values.clamp_min(NOISE_FLOOR)
    columns = (
        course.square().mean(-1).sqrt().clamp_min(NOISE_FLOOR).log10(),
        _trend(course),
        spikes.float().mean(-1),
        burst_rate,
        longest,
        count_sign_changes(standardized(centered(energy)), STATE) / count,
        count_sign_changes(detrended(point_fluctuations(run)), NOISE_FLOOR).mean(-1) / count,
        count_sign_changes(detrended(energy), NOISE_FLOOR) / count,
    )
    return torch.stack(columns, -1).mean(1)


def activity(run: Run) -> Tensor:
    """Return the root mean square change per frame over the root mean square of the run, [R, C, T - 1].

    For a run of a single frame it is 0 with shape [R, C, 1].
    """
    if run.frames.shape[1] == 1:
        return torch.zeros_like(run.mean)
    # One run at a time, so that the differences fit the processor's cache.
    change = [torch.linalg.vector_norm(frames[1:] - frames[:-1], dim=(-2, -1)) for frames in run.frames]
    points = math.prod(run.frames.shape[-2:])
    return torch.stack(change).transpose(1, 2) / math.sqrt(points) / run_rms(run)[..., None]


def _trend(course: Tensor) -> Tensor:
    """Return the log of the mean activity in the last quarter over that in the first quarter, [R, C]."""
    quarter = max(course.shape[-1] // 4, 1)
    first, last = course[..., :quarter].mean(-1), course[..., -quarter:].mean(-1)
    ratio = last.clamp_min(NOISE_FLOOR) / first.clamp_min(NOISE_FLOOR)
    return ratio.log().clamp(math.log(NOISE_FLOOR), -math.log(NOISE_FLOOR))


def _bursts(course: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of bursts per frame and the relative length of the longest burst, [R, C] each."""
    is_high = course > BURST * course.mean(-1, keepdim=True).clamp_min(NOISE_FLOOR)
    frame = torch.arange(course.shape[-1], device=course.device)
    last_low = torch.where(is_high, -1, frame).cummax(-1).values
    length = frame - last_low  # number of successive frames with high activity up to this frame
    num_bursts = (length == 2).sum(-1)
    longest = torch.where(num_bursts > 0, length.amax(-1), 0)
    return num_bursts / course.shape[-1], longest / course.shape[-1]
