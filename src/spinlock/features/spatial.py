"""Values of u in each frame, as a sample without places; then gradients, correlation and scale, from the places.

Amplitudes go through asinh(u), which is u near 0 and log 2|u| beyond 1, or log10 with a floor, so that fields of 1e-5
and of 1e6 are columns of one table; the others are in units of the frame's own standard deviation or are ratios. A
frame whose standard deviation is within the noise of its run (see :mod:`spinlock.features.signals`) is constant: it has
the values named below. The domain has length 1 along either axis. Gradients are periodic central differences, cheap and
blind to alternating points; the Laplacian and both tensors come from the power, where they are exact.

Sources: structure tensor (Bigun and Granlund 1987); autocorrelation as transform of the power (Wiener-Khinchin), whose
mean over the directions of a lag r is sum p(k) J0(2 pi |k| r); for fields on a line sum p(k) cos(2 pi k r).

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points (N in all), ``K`` modes, ``S`` shells,
``L`` lags, ``F`` features. p and k are as in :mod:`spinlock.features.spectral`.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from spinlock.features.rhythm import peak_frequency
from spinlock.features.run import Run
from spinlock.features.signals import FLOOR, entropy, level, positive
from spinlock.features.spectral import half_spectrum, mode_shares, second_moments, shells

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
    "mad": "median of |u - median| over half the range between the quartiles; 0 to 2, symmetric 1; 0 where that range "
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
SHORTEST, PER_OCTAVE = 9, 6
"""Lags are 2^-9 to 2^-1 of the domain."""


def compute(run: Run) -> Tensor:
    """[R, T, F], averaged over channels."""
    # Run by run: temporaries of one run fit a cache.
    points = [_points(frames, noise) for frames, noise in zip(run.frames, FLOOR * level(run), strict=True)]
    return torch.cat([torch.stack(points), _structure(run)], -1).mean(2)


def _points(frames: Tensor, noise: Tensor) -> Tensor:
    """What follows from the values of one run [T, C, H, W] and their differences, [T, C, 17]."""
    sample, moving = _sample(ascending(frames.flatten(-2)), noise)
    return torch.cat([sample, _gradient(frames, torch.where(moving, noise, math.inf))], -1)


def _sample(rank: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """What does not depend on where the sorted values [T, C, N] are, [T, C, 14], and which frames are not constant."""
    mean = rank.mean(-1, keepdim=True)
    rest = rank - mean
    deviation = rest.square().mean(-1).sqrt()
    moving = deviation > noise
    std = torch.where(moving, deviation, math.inf)  # what is divided by it is 0 for a constant frame
    rest /= std[..., None]
    square = rest.square()
    median = _quantile(rank, 0.5)
    quantiles = [_quantile(rank, q) for q in QUANTILES.values()]
    between = _quantile(rank, 0.75) - _quantile(rank, 0.25)
    amplitudes = torch.stack([rank[..., 0], rank[..., -1], *quantiles], -1)
    columns = (
        mean.squeeze(-1).asinh(),
        torch.where(moving, deviation, 0.0).clamp_min(FLOOR).log10(),
        (square * rest).mean(-1).asinh(),
        torch.where(moving, square.square().mean(-1) - 3, 0.0).asinh(),
        *amplitudes.asinh().unbind(-1),
        between / std,
        2 * _median_deviation(rank, median) / torch.where(moving & (between > noise), between, math.inf),
        torch.where(moving, _histogram_entropy(rank), 0.0),
    )
    return torch.stack(columns, -1), moving


def ascending(values: Tensor) -> Tensor:
    """The values sorted along the last axis.

    As integers with the bits of the floats, and all but the sign turned over in negative ones: in the same order, and
    sorted in two thirds of the time.
    """
    bits = values.contiguous().view(torch.int32)
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).sort(-1).values
    return (order ^ ((order >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _quantile(rank: Tensor, share: float) -> Tensor:
    """Of sorted values [..., N], linear between them, [...]."""
    place = share * (rank.shape[-1] - 1)
    below = math.floor(place)
    return torch.lerp(rank[..., below], rank[..., math.ceil(place)], place - below)


def _median_deviation(rank: Tensor, median: Tensor) -> Tensor:
    """Median of |u - median| from sorted values [..., N], [...], without another sort.

    Distances to the median fall along the lower half of the values and rise along the upper. The smaller of the two in
    each pair (u_i, u_(i + N / 2)) are then the smaller half of all distances (Batcher 1968: a bitonic half-cleaner).
    """
    count = rank.shape[-1]
    half = count // 2
    if half == 0:
        return torch.zeros_like(median)
    below, above = median[..., None] - rank[..., :half], rank[..., count - half :] - median[..., None]
    inner = torch.minimum(below, above).amax(-1)
    return inner if count % 2 else (inner + torch.maximum(below, above).amin(-1)) / 2


def _histogram_entropy(rank: Tensor) -> Tensor:
    """Entropy [...] over log BINS of the counts of sorted values [..., N] in equal bins."""
    inner = torch.arange(1, BINS, device=rank.device) / BINS
    edges = torch.lerp(rank[..., :1], rank[..., -1:], inner)
    below = torch.searchsorted(rank, edges)
    counts = pad(below, (1, 0)).diff(dim=-1, append=torch.full_like(below[..., :1], rank.shape[-1]))
    return entropy(counts / rank.shape[-1]) / math.log(BINS)


def _gradient(frames: Tensor, noise: Tensor) -> Tensor:
    """Mean, spread and maximum [T, C, 3] of |grad u| of one run [T, C, H, W]; along an axis of one point it is 0."""
    height, width = frames.shape[-2:]
    around = pad(frames, (1, 1, 1, 1), mode="circular")
    right = (around[..., 1:-1, 2:] - around[..., 1:-1, :-2]) * (width / 2)
    down = (around[..., 2:, 1:-1] - around[..., :-2, 1:-1]) * (height / 2)
    size = right.square_().addcmul_(down, down).sqrt_().flatten(-2)
    mean = size.mean(-1)
    moving = mean > noise
    divisor = torch.where(moving, mean, math.inf)
    relative = (size - mean[..., None]).square_().mean(-1).sqrt() / divisor
    highest = torch.where(moving, size.amax(-1) / divisor, 1.0)
    return torch.stack([torch.where(moving, mean, 0.0).clamp_min(FLOOR).log10(), relative.asinh(), highest.log()], -1)


def _structure(run: Run) -> Tensor:
    """What follows from the power, [R, T, C, 4]."""
    weight, (k_y, k_x), radius = half_spectrum(run.frames)
    height, width = run.frames.shape[-2:]
    lags = 2 ** (torch.arange(PER_OCTAVE * (SHORTEST - 1) + 1, device=radius.device) / PER_OCTAVE - SHORTEST)
    phase = 2 * math.pi * radius[:, None] * lags
    wave = torch.special.bessel_j0(phase) if min(height, width) > 1 else phase.cos()
    shell = shells(radius)
    moments = torch.stack([radius.square(), radius**4], -1)
    sums = torch.cat([shell, second_moments(k_y, k_x, height), moments, wave], 1)
    collected = torch.stack([p @ sums for p in mode_shares(run)])
    radial, turned, moment, correlation = collected.split_with_sizes([shell.shape[1], 2, 2, len(lags)], -1)
    square, fourth = moment.unbind(-1)
    columns = (
        torch.hypot(*turned.unbind(-1)) / positive(square),
        positive(fourth).log2() / 4,
        torch.where(square > 0, _falling(correlation, lags), lags[-1]).log2(),
        peak_frequency(radial / positive(weight @ shell), 1).log2(),
    )
    return torch.stack(columns, -1)


def _falling(correlation: Tensor, lags: Tensor) -> Tensor:
    """First lag [...] at which the correlation [..., L], 1 at lag 0, is below 1/e; the last lag where it never is."""
    correlation, lags = pad(correlation, (1, 0), value=1.0), pad(lags, (1, 0))
    threshold = math.exp(-1)
    below = correlation < threshold
    after = below.to(torch.uint8).argmax(-1, keepdim=True).clamp_min(1)
    high, low = correlation.gather(-1, after - 1), correlation.gather(-1, after)
    part = ((high - threshold) / positive(high - low)).clamp(0, 1)
    lag = torch.lerp(lags[after - 1], lags[after], part).squeeze(-1)
    return torch.where(below.any(-1), lag, lags[-1])
