"""What a run conserves: how quantities q(t) of the field go, of all of it and of its large and small scales apart.

Of each q there are: the change b (T - 1) along its least-squares line over mean |q|, the variance about that line, the
log ratio of its ends, and sum dq / sum |dq| of its increments. A conserved quantity, like the mass of Cahn and Hilliard
(1958), reads 0, -10, 0, 0. q is constant where its standard deviation is below
:data:`~spinlock.features.signals.FLOOR` of itself or of the run's level: float32 conserves nothing better than that.

The low-passed field has the modes up to :data:`CUT` cycles per domain, sharply; the high-passed one is the rest. The
mass is all in the low-passed field, so it is followed once.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` points, ``Q`` quantities, ``F`` = 4 Q features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import DEPTH, FLOOR, centered, detrended, level, positive, slope

CUT = 4
"""Cycles per domain: half of what a grid of 16 points has, so that both parts have modes on any usual grid."""

FIELDS = {"raw": "of u", "low": f"of u low-passed at {CUT} cycles per domain", "high": "of u less the low-passed u"}

QUANTITIES = {
    "mass": "the mean",
    "l1": "the mean of |u|",
    "l2": "the root mean square",
    "linf": "the largest |u|",
    "total_variation": "the total variation sum |u_x| + |u_y|",
    "entropy": "the entropy of u^2 over its sum as a distribution over points, over log(H W)",
}

MEASURES = {
    "drift": "change along its line over its mean size; -6 to 6; 0 where constant and for T = 1",
    "drift_variance": "log10 of its variance about its line over its mean size squared; -10 (nothing left) to log10(T)",
    "log_ratio": "log of its final over its initial size, each at least 1e-5 of the run's level; -27.6 to 27.6; "
    "0 where constant",
    "monotonicity": "sum of its increments over the sum of their sizes; -1 (falls only) to 1 (grows only); "
    "0 where constant",
}

COURSES = tuple(
    (field, quantity) for field in FIELDS for quantity in QUANTITIES if field == "raw" or quantity != "mass"
)

FEATURES = {
    f"{field}_{quantity}_{measure}": f"{QUANTITIES[quantity]} {FIELDS[field]}: {meaning}"
    for field, quantity in COURSES
    for measure, meaning in MEASURES.items()
}


def compute(run: Run) -> Tensor:
    """[R, F], averaged over channels."""
    return _measures(courses(run)).flatten(-2).mean(1)


def courses(run: Run) -> Tensor:
    """q(t) of each of :data:`COURSES` in units of the run's level, [R, C, Q, T]; the entropy has none."""
    kept = _low_modes(run.spectrum, run.frames.shape[-1])
    rows = zip(run.frames, run.spectrum, level(run), strict=True)  # run by run: the fields of one fit a cache
    return torch.stack([_of_run(*row, kept) for row in rows]).permute(0, 3, 1, 2).contiguous()


def _of_run(frames: Tensor, spectrum: Tensor, size: Tensor, kept: Tensor) -> Tensor:
    """[Q, T, C] from ``frames`` [T, C, H, W], their spectrum, their level ``size`` [C] and the modes to keep [H, K]."""
    raw = frames / size[:, None, None]
    low: Tensor = torch.fft.irfft2(spectrum * (kept / size[:, None, None]), s=frames.shape[-2:], norm="forward")
    return torch.stack([raw.mean((-2, -1)), *_quantities(raw), *_quantities(low), *_quantities(raw - low)])


def _low_modes(spectrum: Tensor, width: int) -> Tensor:
    """1 for the modes that the low-passed field has, 0 for the others, [H, K] of half a spectrum."""
    n_x = torch.arange(width // 2 + 1, device=spectrum.device)
    height = spectrum.shape[-2]
    n_y = torch.arange(height, device=spectrum.device)
    n_y = torch.minimum(n_y, height - n_y)
    return (n_y[:, None].square() + n_x.square() <= CUT**2).to(spectrum.real.dtype)


def _quantities(field: Tensor) -> list[Tensor]:
    """All quantities but the mass of fields [T, C, H, W], [T, C] each; lengths are in steps along x."""
    height, width = field.shape[-2:]
    size = field.abs()
    x, y = ((field - field.roll(1, axis)).abs().mean((-2, -1)) for axis in (-1, -2))
    rms = field.square().mean((-2, -1)).sqrt()
    return [size.mean((-2, -1)), rms, size.amax((-2, -1)), x + y * (height / width), _spread(field)]


def _spread(field: Tensor) -> Tensor:
    """1 - <w log w> / log N with w = u^2 / <u^2>, [T, C]; 1 for a field that is equally large everywhere.

    :data:`FLOOR` squared is added to u^2: as a field sinks into the rounding noise its entropy goes to 1, not astray.
    """
    square = field.square().flatten(-2) + FLOOR**2
    total = square.mean(-1)
    uneven = (square * square.log()).mean(-1) / total - total.log()
    return 1 - uneven.clamp_min(0) / math.log(max(square.shape[-1], 2))


def _measures(course: Tensor) -> Tensor:
    """[R, C, Q, 4] of q(t) [R, C, Q, T] in units of the run's level."""
    size = course.abs().mean(-1)
    scale = size.clamp_min(1.0)  # of the noise
    moving = centered(course, scale)
    constant = moving.abs().amax(-1) == 0
    change = slope(moving) * (course.shape[-1] - 1)
    rest = detrended(moving, scale).square().mean(-1)
    ends = course[..., [0, -1]].abs().clamp_min(FLOOR).log()
    step = course.diff(dim=-1)
    columns = (
        change / positive(size),
        (rest / positive(size.square())).clamp_min(FLOOR**2).log10(),
        (ends[..., 1] - ends[..., 0]).clamp(math.log(DEPTH), -math.log(DEPTH)),
        step.sum(-1) / positive(step.abs().sum(-1)),
    )
    found = torch.stack(columns, -1)
    neutral = found.new_tensor([0.0, 2 * math.log10(FLOOR), 0.0, 0.0])
    return torch.where(constant[..., None], neutral, found)
