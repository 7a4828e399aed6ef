"""Conserved quantities q(t) of the field, and of its large and small scales separately.

Each q has four features: the change b (T - 1) along its least-squares line over mean |q|, the variance about that line,
the log ratio of its final and initial value, and sum dq / sum |dq| of its increments. For a conserved quantity, such as
the mass of Cahn and Hilliard (1958), they are 0, -10, 0, 0. q counts as constant if its standard deviation is below
:data:`~spinlock.features.signals.FLOOR` of its mean size or of the level of the run, which is the precision of float32.

The low-passed field has the modes up to :data:`CUT` cycles per domain, and the high-passed field has the other modes.
The mass is computed once, because it is the same for the low-passed field and 0 for the high-passed field.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points, ``Q`` quantities, ``F`` = 4 Q features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import DEPTH, FLOOR, centered, detrended, level, positive, slope

CUT = 4
"""Limit of the low-pass filter in cycles per domain; both filtered fields have modes on a grid of 16 points."""

FIELDS = {"raw": "of u", "low": f"of u low-passed at {CUT} cycles per domain", "high": "of u minus the low-passed u"}

QUANTITIES = {
    "mass": "the mean",
    "l1": "the mean of |u|",
    "l2": "the root mean square",
    "linf": "the largest |u|",
    "total_variation": "the total variation sum |u_x| + |u_y|",
    "entropy": "the entropy of u^2 over its sum as a distribution over points, over log(H W)",
}

MEASURES = {
    "drift": "change along its line over its mean size; -6 to 6; 0 if constant and for T = 1",
    "drift_variance": "log10 of its variance about its line over its mean size squared; -10 (nothing left) to log10(T)",
    "log_ratio": "log of its final over its initial size, each at least 1e-5 of the run's level; -27.6 to 27.6; "
    "0 if constant",
    "monotonicity": "sum of its increments over the sum of their sizes; -1 (falls only) to 1 (grows only); "
    "0 if constant",
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
    """Return the features averaged over channels, [R, F]."""
    return _measures(courses(run)).flatten(-2).mean(1)


def courses(run: Run) -> Tensor:
    """Return q(t) of each of :data:`COURSES`, [R, C, Q, T], in units of the level of the run (except the entropy)."""
    kept = _low_modes(run.spectrum, run.frames.shape[-1])
    rows = zip(run.frames, run.spectrum, level(run), strict=True)  # one run at a time fits the cache
    return torch.stack([_of_run(*row, kept) for row in rows]).permute(0, 3, 1, 2).contiguous()


def _of_run(frames: Tensor, spectrum: Tensor, size: Tensor, kept: Tensor) -> Tensor:
    """q(t) of one run, [Q, T, C], from ``frames`` [T, C, H, W], their spectrum, level [C] and the low modes [H, K]."""
    raw = frames / size[:, None, None]
    low: Tensor = torch.fft.irfft2(spectrum * (kept / size[:, None, None]), s=frames.shape[-2:], norm="forward")
    return torch.stack([raw.mean((-2, -1)), *_quantities(raw), *_quantities(low), *_quantities(raw - low)])


def _low_modes(spectrum: Tensor, width: int) -> Tensor:
    """Mask of the modes of the low-passed field in the half spectrum, [H, K]."""
    n_x = torch.arange(width // 2 + 1, device=spectrum.device)
    height = spectrum.shape[-2]
    n_y = torch.arange(height, device=spectrum.device)
    n_y = torch.minimum(n_y, height - n_y)
    return (n_y[:, None].square() + n_x.square() <= CUT**2).to(spectrum.real.dtype)


def _quantities(field: Tensor) -> list[Tensor]:
    """All quantities except the mass of fields [T, C, H, W], [T, C] each; the unit of length is the step along x."""
    height, width = field.shape[-2:]
    size = field.abs()
    x, y = ((field - field.roll(1, axis)).abs().mean((-2, -1)) for axis in (-1, -2))
    rms = field.square().mean((-2, -1)).sqrt()
    return [size.mean((-2, -1)), rms, size.amax((-2, -1)), x + y * (height / width), _spread(field)]


def _spread(field: Tensor) -> Tensor:
    """Entropy 1 - <w log w> / log N with w = u^2 / <u^2>, [T, C]; 1 for a field with constant |u|.

    The square of :data:`FLOOR` is added to u^2, so that the entropy of rounding noise is 1.
    """
    square = field.square().flatten(-2) + FLOOR**2
    total = square.mean(-1)
    uneven = (square * square.log()).mean(-1) / total - total.log()
    return 1 - uneven.clamp_min(0) / math.log(max(square.shape[-1], 2))


def _measures(course: Tensor) -> Tensor:
    """The four features of q(t) [R, C, Q, T] in units of the level of the run, [R, C, Q, 4]."""
    size = course.abs().mean(-1)
    noise_scale = size.clamp_min(1.0)
    moving = centered(course, noise_scale)
    is_constant = moving.abs().amax(-1) == 0
    change = slope(moving) * (course.shape[-1] - 1)
    residual = detrended(moving, noise_scale).square().mean(-1)
    ends = course[..., [0, -1]].abs().clamp_min(FLOOR).log()
    step = course.diff(dim=-1)
    columns = (
        change / positive(size),
        (residual / positive(size.square())).clamp_min(FLOOR**2).log10(),
        (ends[..., 1] - ends[..., 0]).clamp(math.log(DEPTH), -math.log(DEPTH)),
        step.sum(-1) / positive(step.abs().sum(-1)),
    )
    measures = torch.stack(columns, -1)
    neutral = measures.new_tensor([0.0, 2 * math.log10(FLOOR), 0.0, 0.0])
    return torch.where(is_constant[..., None], neutral, measures)
