"""Distribution of the values of u in each frame, and its gradients, correlation length and length scales.

Amplitudes are transformed by asinh(u), which is u near 0 and log 2|u| above 1, or by log10 with a lower limit, so that
fields of size 1e-5 and 1e6 fit in one table. The other features are in units of the standard deviation of the frame, or
are ratios. A frame is constant if its standard deviation is within the noise of its run (see
:mod:`spinlock.features.signals`); then it has the values named below. The domain has length 1 along each axis.
Gradients are periodic central differences, which do not detect alternating points. The Laplacian and the tensors are
computed exactly from the power spectrum.

Sources: structure tensor (Bigun and Granlund 1987); autocorrelation as the transform of the power (Wiener-Khinchin).
Its mean over the directions of a lag r is sum p(k) J0(2 pi |k| r); for one-dimensional fields it is
sum p(k) cos(2 pi k r).

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points (N in total), ``K`` modes, ``S`` shells,
``L`` lags, ``F`` features. p and k are defined in :mod:`spinlock.features.spectral`.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from spinlock.features.rhythm import peak_frequency
from spinlock.features.run import Run
from spinlock.features.signals import FLOOR, entropy, level, positive
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
    "is within the noise of the run",
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
"""The lags are 2^-9 to 2^-1 of the domain with six lags per octave."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, T, F]."""
    # One run at a time, so that temporary arrays fit the cache.
    points = [_points(frames, noise) for frames, noise in zip(run.frames, FLOOR * level(run), strict=True)]
    return torch.cat([torch.stack(points), _structure(run)], -1).mean(2)


def _points(frames: Tensor, noise: Tensor) -> Tensor:
    """Features of the values and gradients of one run [T, C, H, W], [T, C, 17]."""
    sample, is_moving = _sample(sort_values(frames.flatten(-2)), noise)
    return torch.cat([sample, _gradient(frames, torch.where(is_moving, noise, math.inf))], -1)


def _sample(rank: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Features of the sorted values [T, C, N], [T, C, 14], and which frames are not constant, [T, C]."""
    mean = rank.mean(-1, keepdim=True)
    standardized = rank - mean
    deviation = standardized.square().mean(-1).sqrt()
    is_moving = deviation > noise
    std = torch.where(is_moving, deviation, math.inf)  # quotients are 0 for a constant frame
    standardized /= std[..., None]
    square = standardized.square()
    median = _quantile(rank, 0.5)
    quantiles = [_quantile(rank, q) for q in QUANTILES.values()]
    iqr = _quantile(rank, 0.75) - _quantile(rank, 0.25)
    amplitudes = torch.stack([rank[..., 0], rank[..., -1], *quantiles], -1)
    columns = (
        mean.squeeze(-1).asinh(),
        torch.where(is_moving, deviation, 0.0).clamp_min(FLOOR).log10(),
        (square * standardized).mean(-1).asinh(),
        torch.where(is_moving, square.square().mean(-1) - 3, 0.0).asinh(),
        *amplitudes.asinh().unbind(-1),
        iqr / std,
        2 * _median_deviation(rank, median) / torch.where(is_moving & (iqr > noise), iqr, math.inf),
        torch.where(is_moving, _histogram_entropy(rank), 0.0),
    )
    return torch.stack(columns, -1), is_moving


def sort_values(values: Tensor) -> Tensor:
    """Sort float32 values along the last axis in ascending order.

    The bits of the floats are sorted as integers, with all bits except the sign inverted for negative numbers. The
    order is the same, and sorting integers takes two thirds of the time.
    """
    bits = values.contiguous().view(torch.int32)
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).sort(-1).values
    return (order ^ ((order >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _quantile(rank: Tensor, q: float) -> Tensor:
    """The quantile q of sorted values [..., N] with linear interpolation, [...]."""
    position = q * (rank.shape[-1] - 1)
    lower = math.floor(position)
    return torch.lerp(rank[..., lower], rank[..., math.ceil(position)], position - lower)


def _median_deviation(rank: Tensor, median: Tensor) -> Tensor:
    """Median of |u - median| from sorted values [..., N], [...], without another sort.

    The distances to the median decrease along the lower half of the values and increase along the upper half. Therefore
    the smaller distances of the pairs (u_i, u_(i + N / 2)) are the smaller half of all distances (bitonic half-cleaner,
    Batcher 1968).
    """
    count = rank.shape[-1]
    half = count // 2
    if half == 0:
        return torch.zeros_like(median)
    lower, upper = median[..., None] - rank[..., :half], rank[..., count - half :] - median[..., None]
    middle = torch.minimum(lower, upper).amax(-1)
    return middle if count % 2 else (middle + torch.maximum(lower, upper).amin(-1)) / 2


def _histogram_entropy(rank: Tensor) -> Tensor:
    """Entropy of the histogram of sorted values [..., N] with equal bins, over log BINS, [...]."""
    fractions = torch.arange(1, BINS, device=rank.device) / BINS
    edges = torch.lerp(rank[..., :1], rank[..., -1:], fractions)
    num_below = torch.searchsorted(rank, edges)
    counts = pad(num_below, (1, 0)).diff(dim=-1, append=torch.full_like(num_below[..., :1], rank.shape[-1]))
    return entropy(counts / rank.shape[-1]) / math.log(BINS)


def _gradient(frames: Tensor, noise: Tensor) -> Tensor:
    """Mean, spread and maximum of |grad u| of one run [T, C, H, W], [T, C, 3]; 0 along an axis with one point."""
    height, width = frames.shape[-2:]
    padded = pad(frames, (1, 1, 1, 1), mode="circular")
    u_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (width / 2)
    u_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (height / 2)
    size = u_x.square_().addcmul_(u_y, u_y).sqrt_().flatten(-2)
    mean = size.mean(-1)
    is_moving = mean > noise
    divisor = torch.where(is_moving, mean, math.inf)
    spread = (size - mean[..., None]).square_().mean(-1).sqrt() / divisor
    maximum = torch.where(is_moving, size.amax(-1) / divisor, 1.0)
    return torch.stack([torch.where(is_moving, mean, 0.0).clamp_min(FLOOR).log10(), spread.asinh(), maximum.log()], -1)


def _structure(run: Run) -> Tensor:
    """Features computed from the power spectrum, [R, T, C, 4]."""
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
        torch.hypot(*direction.unbind(-1)) / positive(square),
        positive(fourth).log2() / 4,
        torch.where(square > 0, _decay_lag(correlation, lags), lags[-1]).log2(),
        peak_frequency(radial / positive(weight @ shell), 1).log2(),
    )
    return torch.stack(columns, -1)


def _decay_lag(correlation: Tensor, lags: Tensor) -> Tensor:
    """Interpolated lag [...] at which the correlation [..., L] falls below 1/e; the last lag if it never does."""
    correlation, lags = pad(correlation, (1, 0), value=1.0), pad(lags, (1, 0))
    threshold = math.exp(-1)
    is_below = correlation < threshold
    first = is_below.to(torch.uint8).argmax(-1, keepdim=True).clamp_min(1)
    left, right = correlation.gather(-1, first - 1), correlation.gather(-1, first)
    fraction = ((left - threshold) / positive(left - right)).clamp(0, 1)
    lag = torch.lerp(lags[first - 1], lags[first], fraction).squeeze(-1)
    return torch.where(is_below.any(-1), lag, lags[-1])
