"""Standardization of time series, (x - <x>) / std(x), with 0 where x is constant up to rounding noise.

Many operators conserve the spatial mean, and float32 turns a constant into noise of relative size 1e-7 to 1e-6. Such
noise has an entropy, a frequency and a correlation time. Therefore a signal counts as constant if its standard
deviation is at most :data:`FLOOR` times the scale of its run.

Letters: ``R`` runs, ``C`` channels, ``T`` frames, ``P`` points; ``...`` any leading dimensions. T is last.
"""

import torch
from torch import Tensor

from spinlock.features.run import Run

FLOOR = 1e-5
"""Size of rounding noise relative to the root mean square of the field of the run."""

DEPTH = 1e-12
"""Lower limit of E(t) / max E, so that log E spans at most 27.6."""


def level(run: Run) -> Tensor:
    """Return the root mean square of u over the whole run, [R, C]; 1 for a run of zeros, so that it can divide."""
    size = run.energy.mean(-1).sqrt()
    return torch.where(size > 0, size, 1.0)


def log_energy(run: Run) -> Tensor:
    """Return L(t) = log(E(t) / max E), at least log :data:`DEPTH`, [R, C, T]; 0 for a run of zeros."""
    largest = run.energy.amax(-1, keepdim=True)
    relative = run.energy / torch.where(largest > 0, largest, 1.0)
    return torch.where(largest > 0, relative.clamp_min(DEPTH).log(), 0.0)


def centered(signal: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Return x - <x>, [..., T]; 0 where its standard deviation is within the noise of ``scale`` [...]."""
    residual = signal - signal.mean(-1, keepdim=True)
    moving = residual.square().mean(-1).sqrt() > FLOOR * scale
    return torch.where(moving[..., None], residual, 0.0)


def detrended(signal: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Return x minus its least-squares line, [..., T]; 0 where that is within the noise of ``scale`` [...]."""
    residual = signal - signal.mean(-1, keepdim=True)
    time = frame_times(signal)
    return centered(residual - slope(residual)[..., None] * time, scale)


def standardized(signal: Tensor) -> Tensor:
    """Return x / rms(x) of a centered signal [..., T]; 0 stays 0."""
    return signal / positive(signal.square().mean(-1, keepdim=True).sqrt())


def slope(signal: Tensor) -> Tensor:
    """Return the least-squares slope per frame, [...]; 0 for a single frame."""
    time = frame_times(signal)
    return signal @ time / time.square().sum().clamp_min(1.0)


def frame_times(signal: Tensor) -> Tensor:
    """Return t - <t>, [T]."""
    time = torch.arange(signal.shape[-1], dtype=signal.dtype, device=signal.device)
    return time - time.mean()


def moving_points(run: Run) -> Tensor:
    """Return (u(x_p, t) - <u(x_p)>) / level of the sub-grid, [R, C, P, T]; 0 at constant points."""
    return moving(run.points, run)


def moving(points: Tensor, run: Run) -> Tensor:
    """Return (u - <u>) / level of arbitrary points [R, C, T, P] of the run, as [R, C, P, T]."""
    return centered(points.transpose(-2, -1) / level(run)[..., None, None])


def positive(values: Tensor) -> Tensor:
    """Replace values that are not positive by 1; used for divisors that are 0 only together with the numerator."""
    return torch.where(values > 0, values, 1.0)


def entropy(probability: Tensor) -> Tensor:
    """Return the entropy -sum p log p over the last axis, [...]."""
    terms: Tensor = torch.special.entr(probability)
    return terms.sum(-1)


def held_sign(signal: Tensor, threshold: float) -> Tensor:
    """Return the sign of a signal with hysteresis (Schmitt 1938), [..., T].

    The sign is +1 above the threshold and -1 below its negative. Between the two it keeps its last value, which is 0 at
    the start, so that noise around 0 does not change it.
    """
    sign = signal.sign() * (signal.abs() > threshold)
    frame = torch.arange(signal.shape[-1], device=signal.device)
    last = torch.where(sign != 0, frame, -1).cummax(-1).values
    return sign.gather(-1, last.clamp_min(0))


def switches(signal: Tensor, threshold: float) -> Tensor:
    """Return the number of changes of the held sign, [...]."""
    sign = held_sign(signal, threshold)
    return (sign[..., 1:] * sign[..., :-1] < 0).sum(-1).to(signal.dtype)
