"""Time series of a run made comparable: x -> (x - <x>) / std(x), and 0 where x is constant up to rounding noise.

Many operators conserve the spatial mean, and float32 turns a constant into noise of relative size 1e-7 to 1e-6. Without
a floor such noise has an entropy, a frequency and a correlation time of its own. A signal whose standard deviation is
at most :data:`FLOOR` times the scale of its run is constant here.

Letters: ``R`` runs, ``C`` channels, ``T`` frames, ``P`` points; ``...`` stands for any of them but T, which is last.
"""

import torch
from torch import Tensor

from spinlock.features.run import Run

FLOOR = 1e-5
"""What counts as noise, relative to the root mean square of the run's field."""

DEPTH = 1e-12
"""Energies below this share of the largest one are not told apart: log E spans 27.6 at most."""


def level(run: Run) -> Tensor:
    """Root mean square of u over the whole run, [R, C]; 1 for a run of zeros, so that it can divide."""
    size = run.energy.mean(-1).sqrt()
    return torch.where(size > 0, size, 1.0)


def log_energy(run: Run) -> Tensor:
    """L(t) = log(E(t) / max E), at least log :data:`DEPTH`, [R, C, T]; 0 for a run of zeros."""
    largest = run.energy.amax(-1, keepdim=True)
    share = run.energy / torch.where(largest > 0, largest, 1.0)
    return torch.where(largest > 0, share.clamp_min(DEPTH).log(), 0.0)


def centered(signal: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """x - <x> [..., T], 0 where its standard deviation is within the noise of ``scale`` [...]."""
    rest = signal - signal.mean(-1, keepdim=True)
    moving = rest.square().mean(-1).sqrt() > FLOOR * scale
    return torch.where(moving[..., None], rest, 0.0)


def detrended(signal: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """x less its least-squares line [..., T], 0 where the rest is within the noise of ``scale`` [...]."""
    rest = signal - signal.mean(-1, keepdim=True)
    time = frame_times(signal)
    return centered(rest - slope(rest)[..., None] * time, scale)


def standardized(signal: Tensor) -> Tensor:
    """x / rms(x) of a centered signal [..., T]; 0 stays 0."""
    return signal / positive(signal.square().mean(-1, keepdim=True).sqrt())


def slope(signal: Tensor) -> Tensor:
    """Least-squares slope per frame, [...]; 0 for a single frame."""
    time = frame_times(signal)
    return signal @ time / time.square().sum().clamp_min(1.0)


def frame_times(signal: Tensor) -> Tensor:
    """t - <t>, [T]."""
    time = torch.arange(signal.shape[-1], dtype=signal.dtype, device=signal.device)
    return time - time.mean()


def moving_points(run: Run) -> Tensor:
    """u(x_p, t) - <u(x_p)> over the run's level, [R, C, P, T], 0 at points that stand still."""
    return moving(run.points, run)


def moving(points: Tensor, run: Run) -> Tensor:
    """The same of any points [R, C, T, P] of the run."""
    return centered(points.transpose(-2, -1) / level(run)[..., None, None])


def positive(values: Tensor) -> Tensor:
    """The values, 1 in place of 0: a divisor for quantities that are 0 together with it."""
    return torch.where(values > 0, values, 1.0)


def entropy(share: Tensor) -> Tensor:
    """-sum p log p over the last axis, [...]."""
    parts: Tensor = torch.special.entr(share)
    return parts.sum(-1)


def held_sign(signal: Tensor, threshold: float) -> Tensor:
    """+1 above the threshold, -1 below its negative, between them what it was before (0 at the start), [..., T].

    So noise around 0 switches nothing: a trigger with hysteresis (Schmitt 1938).
    """
    sign = signal.sign() * (signal.abs() > threshold)
    frame = torch.arange(signal.shape[-1], device=signal.device)
    last = torch.where(sign != 0, frame, -1).cummax(-1).values
    return sign.gather(-1, last.clamp_min(0))


def switches(signal: Tensor, threshold: float) -> Tensor:
    """How many times the held sign changes, [...]."""
    sign = held_sign(signal, threshold)
    return (sign[..., 1:] * sign[..., :-1] < 0).sum(-1).to(signal.dtype)
