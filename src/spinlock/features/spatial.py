"""Distribution of the values of u in each frame, and its gradients, correlation length and length scales.

Amplitudes are transformed by asinh(u), which is about u for small and log 2|u| for large |u|, or by log10 with a lower
limit, so that one table can contain fields of size 1e-5 and 1e6. The other features are ratios or are in units of the
standard deviation of the frame. A frame counts as constant if its standard deviation is at most
:data:`~spinlock.features.signals.NOISE_FLOOR` times the root mean square of its run; the list gives the values of a
constant frame. The domain has length 1 along each axis. Gradients are periodic central differences, which are 0 for
values that alternate from point to point. The Laplacian and the structure tensor are computed exactly from the power
spectrum.

Sources: structure tensor (Bigun and Granlund 1987); autocorrelation as the transform of the power (Wiener-Khinchin).
Its mean over the directions of a lag r is sum p(k) J0(2 pi |k| r); for one-dimensional fields it is
sum p(k) cos(2 pi k r).

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points (N in total), ``K`` modes, ``S`` shells,
``L`` lags, ``F`` features. p and k are defined in :mod:`spinlock.features.spectral`.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from spinlock.features.periodicity import peak_frequency
from spinlock.features.run import Run
from spinlock.features.signals import NOISE_FLOOR, entropy, run_rms, safe_divisor
from spinlock.features.spectral import half_spectrum, mode_fractions, second_moments, shells

QUANTILES = {"quantile_05": 0.05, "quantile_25": 0.25, "median": 0.5, "quantile_75": 0.75, "quantile_95": 0.95}

FEATURES = {
    "mean": "asinh of the spatial mean; -14.5 to 14.5",
    "std": "log10 of the standard deviation; -5 (1e-5 or less, or constant) to 6",
    "skewness": "asinh of <(u - <u>)^3> / std^3; within asinh sqrt(N); 0 for a constant frame",
    "kurtosis": "asinh of <(u - <u>)^4> / std^4 - 3; asinh(-2) to asinh(N); 0 for a constant frame",
    "min": "asinh of the smallest value; -14.5 to 14.5",
    "max": "asinh of the largest value; -14.5 to 14.5",
    **{name: f"asinh of the quantile {q:.0%} (linear between points); -14.5 to 14.5" for name, q in QUANTILES.items()},
    "iqr": "range between the quartiles over the standard deviation; 0 to 2.9, normal 1.349; 0 for a constant frame",
    "mad": "median of |u - median| over half the range between the quartiles; 0 to 2, symmetric 1; 0 if that range "
    "is rounding noise",
    "histogram_entropy": "entropy of 32 bins from the smallest to the largest value over log 32; 0 to 1; "
    "0 for a constant frame",
    "gradient_mean": "log10 of the mean of |grad u|, u per domain length; -5 (1e-5 or less, or constant) to 9.5",
    "gradient_std": "asinh of the standard deviation of |grad u| over its mean; 0 to asinh sqrt(N); "
    "0 for a constant frame",
    "gradient_max": "log of the largest |grad u| over the mean; 0 to log N; 0 for a constant frame",
    "gradient_anisotropy": "(l1 - l2) / (l1 + l2) of the eigenvalues of the structure tensor <grad u grad u^T>; "
    "0 (no direction) to 1 (stripes); 0 for a constant frame",
    "laplacian_std": "log2 of the root of std(Laplacian u) / std(u) over 2 pi, a wavenumber in cycles per domain; "
    "0 and up; 0 for a constant frame",
    "correlation_length": "log2 of the lag, in domain lengths, at which the radial autocorrelation falls to 1/e; "
    "-9 to -1; -1 for a constant frame",
    "structure_factor_peak": "log2 of the k of the largest mean of p over a shell, in cycles per domain, refined by "
    "a parabola; 0 and up; 0 for a constant frame",
}

BINS = 32
"""Number of bins of the histogram."""

SHORTEST, PER_OCTAVE = 9, 6
"""The lags of the autocorrelation are 2^-9 to 2^-1 of the domain with six lags per octave."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, T, F]."""
    # One run at a time, so that temporary arrays fit the processor's cache.
    noise = NOISE_FLOOR * run_rms(run)
    local = [_local_features(*row) for row in zip(run.frames, noise, strict=True)]
    return torch.cat([torch.stack(local), _spectrum_features(run)], -1).mean(2)


def _local_features(frames: Tensor, noise: Tensor) -> Tensor:
    """Return the features of the values and gradients of one run, [T, C, 17].

    Parameters
    ----------
    frames
        [T, C, H, W].
    noise
        Standard deviation up to which a frame counts as constant, [C].
    """
    values, is_varying = _value_features(sort_values(frames.flatten(-2)), noise)
    return torch.cat([values, _gradient_features(frames, torch.where(is_varying, noise, math.inf))], -1)


def _value_features(ordered: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features of sorted values [T, C, N], [T, C, 14], and the mask of varying frames, [T, C]."""
    mean = ordered.mean(-1, keepdim=True)
    standardized = ordered - mean
    deviation = standardized.square().mean(-1).sqrt()
    is_varying = deviation > noise
    std = torch.where(is_varying, deviation, math.inf)  # infinite for a constant frame, so that quotients are 0
    standardized /= std[..., None]
    square = standardized.square()
    median = _quantile(ordered, 0.5)
    quantiles = [_quantile(ordered, q) for q in QUANTILES.values()]
    iqr = _quantile(ordered, 0.75) - _quantile(ordered, 0.25)
    amplitudes = torch.stack([ordered[..., 0], ordered[..., -1], *quantiles], -1)
    columns = (
        mean.squeeze(-1).asinh(),
        torch.where(is_varying, deviation, 0.0).clamp_min(NOISE_FLOOR).log10(),
        (square * standardized).mean(-1).asinh(),
        torch.where(is_varying, square.square().mean(-1) - 3, 0.0).asinh(),
        *amplitudes.asinh().unbind(-1),
        iqr / std,
        2 * _median_deviation(ordered, median) / torch.where(is_varying & (iqr > noise), iqr, math.inf),
        torch.where(is_varying, _histogram_entropy(ordered), 0.0),
    )
    return torch.stack(columns, -1), is_varying


def sort_values(values: Tensor) -> Tensor:
    """Sort float32 values along the last axis in ascending order.

    On a CPU, NumPy sorts them, because its vector instructions make it faster than :func:`torch.sort`.
    """
    if values.device.type != "cpu":
        return values.sort(-1).values
    return torch.from_numpy(np.sort(values.detach().numpy(), axis=-1))


def _quantile(ordered: Tensor, q: float) -> Tensor:
    """Return the quantile q of sorted values [..., N] with linear interpolation, [...]."""
    position = q * (ordered.shape[-1] - 1)
    lower = math.floor(position)
    return torch.lerp(ordered[..., lower], ordered[..., math.ceil(position)], position - lower)


def _median_deviation(ordered: Tensor, median: Tensor) -> Tensor:
    """Return the median of |u - median| of sorted values [..., N], [...], without another sort.

    The distances to the median decrease along the lower half of the values and increase along the upper half. Of each
    pair (u_i, u_(i + N / 2)) the smaller distance is taken; these are the N / 2 smallest of all distances (bitonic
    half-cleaner, Batcher 1968).
    """
    count = ordered.shape[-1]
    half = count // 2
    if half == 0:
        return torch.zeros_like(median)
    lower, upper = median[..., None] - ordered[..., :half], ordered[..., count - half :] - median[..., None]
    middle = torch.minimum(lower, upper).amax(-1)
    return middle if count % 2 else (middle + torch.maximum(lower, upper).amin(-1)) / 2


def _histogram_entropy(ordered: Tensor) -> Tensor:
    """Return the entropy of the histogram of sorted values [..., N] with equal bins, over log BINS, [...]."""
    fractions = torch.arange(1, BINS, device=ordered.device) / BINS
    edges = torch.lerp(ordered[..., :1], ordered[..., -1:], fractions)
    num_below = torch.searchsorted(ordered, edges)
    counts = pad(num_below, (1, 0)).diff(dim=-1, append=torch.full_like(num_below[..., :1], ordered.shape[-1]))
    return entropy(counts / ordered.shape[-1]) / math.log(BINS)


def _gradient_features(frames: Tensor, noise: Tensor) -> Tensor:
    """Return the mean, standard deviation and maximum of |grad u| as features, [T, C, 3].

    Parameters
    ----------
    frames
        Frames of one run, [T, C, H, W]. Along an axis with one point the gradient is 0.
    noise
        Mean of |grad u| up to which a frame counts as constant, [T, C]; infinite for constant frames.
    """
    height, width = frames.shape[-2:]
    padded = pad(frames, (1, 1, 1, 1), mode="circular")
    u_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (width / 2)
    u_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (height / 2)
    size = u_x.square_().addcmul_(u_y, u_y).sqrt_().flatten(-2)
    mean = size.mean(-1)
    is_varying = mean > noise
    divisor = torch.where(is_varying, mean, math.inf)
    spread = (size - mean[..., None]).square_().mean(-1).sqrt() / divisor
    maximum = torch.where(is_varying, size.amax(-1) / divisor, 1.0)
    mean = torch.where(is_varying, mean, 0.0).clamp_min(NOISE_FLOOR)
    return torch.stack([mean.log10(), spread.asinh(), maximum.log()], -1)


def _spectrum_features(run: Run) -> Tensor:
    """Return the features that are computed from the power spectrum, [R, T, C, 4]."""
    weight, (k_y, k_x), radius = half_spectrum(run.frames)
    height, width = run.frames.shape[-2:]
    lags = 2 ** (torch.arange(PER_OCTAVE * (SHORTEST - 1) + 1, device=radius.device) / PER_OCTAVE - SHORTEST)
    phase = 2 * math.pi * radius[:, None] * lags
    wave = torch.special.bessel_j0(phase) if min(height, width) > 1 else phase.cos()
    shell = shells(radius)
    moments = torch.stack([radius.square(), radius**4], -1)
    sums = torch.cat([shell, second_moments(k_y, k_x, height), moments, wave], 1)
    products = torch.stack([p @ sums for p in mode_fractions(run)])
    radial, direction, moment, correlation = products.split_with_sizes([shell.shape[1], 2, 2, len(lags)], -1)
    square, fourth = moment.unbind(-1)
    columns = (
        torch.hypot(*direction.unbind(-1)) / safe_divisor(square),
        safe_divisor(fourth).log2() / 4,
        torch.where(square > 0, _decay_lag(correlation, lags), lags[-1]).log2(),
        peak_frequency(radial / safe_divisor(weight @ shell), 1).log2(),
    )
    return torch.stack(columns, -1)


def _decay_lag(correlation: Tensor, lags: Tensor) -> Tensor:
    """Return the interpolated lag at which the correlation [..., L] falls below 1/e, or else the last lag, [...]."""
    correlation, lags = pad(correlation, (1, 0), value=1.0), pad(lags, (1, 0))
    threshold = math.exp(-1)
    is_below = correlation < threshold
    first = is_below.to(torch.uint8).argmax(-1, keepdim=True).clamp_min(1)
    left, right = correlation.gather(-1, first - 1), correlation.gather(-1, first)
    fraction = ((left - threshold) / safe_divisor(left - right)).clamp(0, 1)
    lag = torch.lerp(lags[first - 1], lags[first], fraction).squeeze(-1)
    return torch.where(is_below.any(-1), lag, lags[-1])
