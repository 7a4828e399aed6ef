"""Conserved quantities q(t) of the field, and of its large and small scales separately.

Each q has four features: the change b (T - 1) along its linear fit over mean |q|, the variance about that fit, the log
ratio of its final and initial value, and sum dq / sum |dq| of its increments. For a conserved quantity, such as the
mass of Cahn and Hilliard (1958), they are 0, -10, 0, 0. q counts as constant if its standard deviation is at most
:data:`~spinlock.features.signals.NOISE_FLOOR` times the larger one of mean |q| and the root mean square of the run;
this is rounding noise of float32.

The low-passed field has the modes up to :data:`CUT` cycles per domain, and the high-passed field has the other modes.
The mass is computed once, because it is the same for the low-passed field and 0 for the high-passed field.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points, ``Q`` quantities, ``F`` = 4 Q features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import MIN_ENERGY_RATIO, NOISE_FLOOR, centered, detrended, run_rms, safe_divisor, slope

CUT = 4
"""Cutoff of the low-pass filter in cycles per domain; on a grid of 16 points both filtered fields have modes."""

MAX_VALUES_PER_PART = 2**18
"""Maximum number of field values in one part of a run, so that temporary arrays fit the processor's cache.

A part contains at least one frame.
"""

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
    "drift": "change along its linear fit over its mean absolute value; -6 to 6; 0 if constant and for T = 1",
    "drift_variance": "log10 of its variance about its linear fit over its squared mean absolute value; "
    "-10 (exactly linear) to log10(T)",
    "log_ratio": "log of its final over its initial absolute value, each at least 1e-5 times the root mean square of "
    "the run; -27.6 to 27.6; 0 if constant",
    "monotonicity": "sum of its increments over the sum of their absolute values; -1 (decreases only) to 1 (increases "
    "only); 0 if constant",
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
    """Return q(t) of each of :data:`COURSES`, [R, C, Q, T], in units of the root mean square of the run.

    The entropy has no unit.
    """
    kept = _low_modes(run.spectrum, run.frames.shape[-1])
    frames_per_part = max(MAX_VALUES_PER_PART // run.frames[0, 0].numel(), 1)
    rows = []
    for frames, spectrum, rms in zip(run.frames, run.spectrum, run_rms(run), strict=True):
        parts = zip(frames.split(frames_per_part), spectrum.split(frames_per_part), strict=True)
        rows.append(torch.cat([_run_quantities(*part, rms, kept) for part in parts], 1))
    return torch.stack(rows).permute(0, 3, 1, 2).contiguous()


def _run_quantities(frames: Tensor, spectrum: Tensor, rms: Tensor, kept: Tensor) -> Tensor:
    """Return q(t) of frames of one run, [Q, T, C].

    Parameters
    ----------
    frames, spectrum
        Frames [T, C, H, W] and their Fourier coefficients [T, C, H, K].
    rms
        Root mean square of each channel over the run, [C].
    kept
        Mask of the modes of the low-passed field, [H, K].
    """
    raw = frames / rms[:, None, None]
    low: Tensor = torch.fft.irfft2(spectrum * (kept / rms[:, None, None]), s=frames.shape[-2:], norm="forward")
    return torch.stack([raw.mean((-2, -1)), *_quantities(raw), *_quantities(low), *_quantities(raw - low)])


def _low_modes(spectrum: Tensor, width: int) -> Tensor:
    """Return the mask of the modes of the low-passed field in the half spectrum, [H, K]."""
    n_x = torch.arange(width // 2 + 1, device=spectrum.device)
    height = spectrum.shape[-2]
    n_y = torch.arange(height, device=spectrum.device)
    n_y = torch.minimum(n_y, height - n_y)
    return (n_y[:, None].square() + n_x.square() <= CUT**2).to(spectrum.real.dtype)


def _quantities(field: Tensor) -> list[Tensor]:
    """Return all quantities of fields [T, C, H, W] except the mass, [T, C] each.

    The unit of length is the grid spacing along x.
    """
    height, width = field.shape[-2:]
    size = field.abs()
    x, y = ((field - field.roll(1, axis)).abs().mean((-2, -1)) for axis in (-1, -2))
    rms = field.square().mean((-2, -1)).sqrt()
    return [size.mean((-2, -1)), rms, size.amax((-2, -1)), x + y * (height / width), _entropy(field)]


def _entropy(field: Tensor) -> Tensor:
    """Return the entropy 1 - <w log w> / log N with w = u^2 / <u^2>, [T, C]; it is 1 for a field with constant |u|.

    The square of :data:`NOISE_FLOOR` is added to u^2, so that the entropy of rounding noise is 1.
    """
    square = field.square().flatten(-2) + NOISE_FLOOR**2
    total = square.mean(-1)
    uneven = (square * square.log()).mean(-1) / total - total.log()
    return 1 - uneven.clamp_min(0) / math.log(max(square.shape[-1], 2))


def _measures(course: Tensor) -> Tensor:
    """Return the four features of each quantity, [R, C, Q, 4].

    Parameters
    ----------
    course
        q(t), [R, C, Q, T], in units of the root mean square of the run.
    """
    size = course.abs().mean(-1)
    noise_scale = size.clamp_min(1.0)
    fluctuation = centered(course, noise_scale)
    is_constant = fluctuation.abs().amax(-1) == 0
    change = slope(fluctuation) * (course.shape[-1] - 1)
    residual = detrended(fluctuation, noise_scale).square().mean(-1)
    ends = course[..., [0, -1]].abs().clamp_min(NOISE_FLOOR).log()
    step = course.diff(dim=-1)
    columns = (
        change / safe_divisor(size),
        (residual / safe_divisor(size.square())).clamp_min(NOISE_FLOOR**2).log10(),
        (ends[..., 1] - ends[..., 0]).clamp(math.log(MIN_ENERGY_RATIO), -math.log(MIN_ENERGY_RATIO)),
        step.sum(-1) / safe_divisor(step.abs().sum(-1)),
    )
    measures = torch.stack(columns, -1)
    neutral = measures.new_tensor([0.0, 2 * math.log10(NOISE_FLOOR), 0.0, 0.0])
    return torch.where(is_constant[..., None], neutral, measures)
