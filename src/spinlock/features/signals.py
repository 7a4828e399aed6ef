"""Centering, detrending and standardization of time series x(t).

Many operators conserve the spatial mean. In float32 a conserved quantity has rounding noise of relative size 1e-7 to
1e-6, and this noise has an entropy, a frequency and a correlation time. Therefore a signal counts as constant if its
standard deviation is at most :data:`NOISE_FLOOR` times the scale of its run; then it is replaced by 0.

Letters: ``R`` runs, ``C`` channels, ``T`` frames, ``P`` points; ``...`` any leading dimensions. T is last.
"""

import torch
from torch import Tensor

from spinlock.features.run import Run

NOISE_FLOOR = 1e-5
"""Size of rounding noise relative to the root mean square of the field of the run."""

MIN_ENERGY_RATIO = 1e-12
"""Lower limit of E(t) / max E, so that the range of log E is at most 27.6."""


def run_rms(run: Run) -> Tensor:
    """Return the root mean square of u over the whole run, [R, C]; 1 for a run of zeros, because it is a divisor."""
    return safe_divisor(run.energy.mean(-1).sqrt())


def log_energy(run: Run) -> Tensor:
    """Return L(t) = log(E(t) / max E), at least log :data:`MIN_ENERGY_RATIO`, [R, C, T]; 0 for a run of zeros."""
    largest = run.energy.amax(-1, keepdim=True)
    relative = run.energy / torch.where(largest > 0, largest, 1.0)
    return torch.where(largest > 0, relative.clamp_min(MIN_ENERGY_RATIO).log(), 0.0)


def centered(signal: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Return x - <x>, [..., T], or 0 if its standard deviation is at most NOISE_FLOOR times ``scale`` [...]."""
    residual = signal - signal.mean(-1, keepdim=True)
    is_varying = residual.square().mean(-1).sqrt() > NOISE_FLOOR * scale
    return torch.where(is_varying[..., None], residual, 0.0)


def detrended(signal: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Return x minus its linear fit, [..., T], or 0 if the rest is at most NOISE_FLOOR times ``scale`` [...]."""
    residual = signal - signal.mean(-1, keepdim=True)
    time = frame_times(signal)
    return centered(residual - slope(residual)[..., None] * time, scale)


def standardized(signal: Tensor) -> Tensor:
    """Return x / rms(x) of a centered signal x [..., T]; 0 stays 0."""
    return signal / safe_divisor(signal.square().mean(-1, keepdim=True).sqrt())


def slope(signal: Tensor) -> Tensor:
    """Return the least-squares slope of a signal [..., T] per frame, [...]; 0 for a single frame."""
    time = frame_times(signal)
    return signal @ time / time.square().sum().clamp_min(1.0)


def frame_times(signal: Tensor) -> Tensor:
    """Return t - <t>, [T]."""
    time = torch.arange(signal.shape[-1], dtype=signal.dtype, device=signal.device)
    return time - time.mean()


def point_fluctuations(run: Run) -> Tensor:
    """Return (u - <u>) / rms(u) at the points of the sub-grid, [R, C, P, T]; 0 at constant points.

    The mean <u> of each point is over time, and rms(u) is the root mean square over the whole run.
    """
    return fluctuations(run.points, run)


def fluctuations(points: Tensor, run: Run) -> Tensor:
    """Return (u - <u>) / rms(u) at other points of the run, [R, C, P, T], from their time series [R, C, T, P]."""
    return centered(points.transpose(-2, -1) / run_rms(run)[..., None, None])


def safe_divisor(values: Tensor) -> Tensor:
    """Replace values that are not positive by 1, for divisors that are 0 only if the numerator is 0 too."""
    return torch.where(values > 0, values, 1.0)


def entropy(probability: Tensor) -> Tensor:
    """Return the entropy -sum p log p over the last axis of ``probability``, [...]."""
    terms: Tensor = torch.special.entr(probability)
    return terms.sum(-1)


def sign_with_hysteresis(signal: Tensor, threshold: float) -> Tensor:
    """Return the sign of a signal with hysteresis (Schmitt 1938), [..., T].

    The sign is +1 above ``threshold`` and -1 below -``threshold``. Between these limits it keeps its previous value, so
    that noise around 0 does not change it. It is 0 until the signal first exceeds a limit.
    """
    sign = signal.sign() * (signal.abs() > threshold)
    frame = torch.arange(signal.shape[-1], device=signal.device)
    last = torch.where(sign != 0, frame, -1).cummax(-1).values
    return sign.gather(-1, last.clamp_min(0))


def count_sign_changes(signal: Tensor, threshold: float) -> Tensor:
    """Return the number of sign changes of a signal [..., T], with hysteresis, [...]."""
    sign = sign_with_hysteresis(signal, threshold)
    return (sign[..., 1:] * sign[..., :-1] < 0).sum(-1).to(signal.dtype)
