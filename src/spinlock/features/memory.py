"""Memory of a signal: its autocorrelation rho(l) = <x(t) x(t + l)> / <x^2>, smoothness and permutation entropy.

The autocovariances are the biased estimates (sum over T - l pairs, divided by T), averaged over the points. They are
positive semidefinite, so that the Durbin-Levinson recursion (Durbin 1960) gives partial autocorrelations from -1 to 1.
Permutation entropy is defined by Bandt and Pompe (2002); of two equal values, the later one counts as larger. These
features are part of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``L`` lags, ``F`` features.
"""

import math
from itertools import combinations, permutations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from spinlock.features.run import Run
from spinlock.features.signals import NOISE_FLOOR, centered, entropy, log_energy, point_fluctuations, safe_divisor

WINDOWS = (5, 10, 20)
"""Lengths of the windows of the rolling variance in frames."""

PACF_LAGS = 5
"""Maximum lag of the partial autocorrelation."""

FEATURES = {
    "autocorrelation_time": "log of the lag in frames at which the autocorrelation of the points falls to 1/e; "
    "-1.2 to log T; log T for a stationary run",
    "energy_autocorrelation_time": "the same for log E(t)",
    **{
        f"partial_autocorrelation_{lag}": f"partial autocorrelation of the points at lag {lag}; -1 to 1; "
        "0 for a stationary run"
        for lag in range(1, PACF_LAGS + 1)
    },
    "smoothness": "1 - sum (d2 x)^2 / (4 sum (d x)^2) of the first and second differences of the points; 0 to 1; "
    "1 for a straight line and for a stationary run",
    "energy_smoothness": "the same for log E(t)",
    "permutation_entropy": "entropy of the order of 4 successive values of the points, over log 24; 0 to 1",
    "energy_permutation_entropy": "entropy of the order of 3 successive values of log E(t), over log 6; 0 to 1",
    **{
        f"rolling_variance_{width}": f"variance of the points within windows of {width} frames over their variance in "
        "the whole run; 0 to about 1.5; 0 for a stationary run"
        for width in WINDOWS
    },
    "rolling_contrast": "std / (mean + std) over time of the variance within windows of 10 frames; 0 (constant) to 1 "
    "(variance in one window only)",
}


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, F]."""
    points, energy = point_fluctuations(run), centered(log_energy(run))
    covariance = autocovariance(points).sum(-2)
    columns = [decay_time(covariance), decay_time(autocovariance(energy))]
    columns += partial_autocorrelations(covariance).unbind(-1)
    columns += [smoothness(points), smoothness(energy[..., None, :])]
    columns += [permutation_entropy(points, 4), permutation_entropy(energy[..., None, :], 3)]
    variances = [rolling_variance(points, width) for width in WINDOWS]
    columns += [variance.mean(-1) for variance in variances]
    contrasted = variances[WINDOWS.index(10)]
    spread = contrasted.std(-1, correction=0)
    columns.append(spread / safe_divisor(contrasted.mean(-1) + spread))
    return torch.stack(columns, -1).mean(1)


def autocovariance(signal: Tensor) -> Tensor:
    """Return sum_t x(t) x(t + l) of a centered signal [..., T] at lags l = 0 .. T - 1, by a zero-padded FFT."""
    frames = signal.shape[-1]
    power = torch.fft.rfft(signal, n=2 * frames).abs().square()
    covariance: Tensor = torch.fft.irfft(power, n=2 * frames)
    return covariance[..., :frames]


def decay_time(covariance: Tensor) -> Tensor:
    """Return the log of the interpolated lag at which the autocorrelation is 1/e, [...], from autocovariances [..., L].

    If the autocorrelation stays above 1/e, it is log L.
    """
    lags = covariance.shape[-1]
    if lags == 1:
        return torch.zeros_like(covariance[..., 0])
    correlation = covariance / safe_divisor(covariance[..., :1])
    below = correlation <= math.exp(-1)
    lag = below.to(torch.uint8).argmax(-1, keepdim=True).clamp_min(1)
    left, right = correlation.gather(-1, lag - 1), correlation.gather(-1, lag)
    fraction = ((left - math.exp(-1)) / safe_divisor(left - right)).clamp(0, 1)
    time = (lag - 1 + fraction).squeeze(-1).clamp_min(0.3)
    return torch.where(below.any(-1) & (covariance[..., 0] > 0), time, float(lags)).log()


def partial_autocorrelations(covariance: Tensor) -> Tensor:
    """Return phi(l, l) at lags l = 1 to 5, [..., 5], from autocovariances [..., L] (Durbin-Levinson recursion)."""
    covariance = torch.nn.functional.pad(covariance[..., : PACF_LAGS + 1].double(), (0, PACF_LAGS + 1))
    rho = covariance[..., 1:] / safe_divisor(covariance[..., :1])
    weights, partials = rho.new_zeros((*rho.shape[:-1], 0)), []
    unexplained = torch.ones_like(rho[..., 0])
    for lag in range(PACF_LAGS):
        innovation = rho[..., lag] - (weights * rho[..., :lag].flip(-1)).sum(-1)
        # If the earlier values predict the signal exactly, the quotient is noise over noise.
        partial = torch.where(unexplained > NOISE_FLOOR, innovation / safe_divisor(unexplained), 0.0).clamp(-1, 1)
        weights = torch.cat([weights - partial[..., None] * weights.flip(-1), partial[..., None]], -1)
        unexplained = unexplained * (1 - partial.square())
        partials.append(partial)
    return torch.stack(partials, -1).to(torch.float32)


def smoothness(signal: Tensor) -> Tensor:
    """Return 1 - sum (d2 x)^2 / (4 sum (d x)^2) over points and time, [R, C], of signals [R, C, P, T]."""
    first = signal.diff(dim=-1)
    roughness = first.diff(dim=-1).square().sum((-2, -1))
    return 1 - roughness / safe_divisor(4 * first.square().sum((-2, -1)))


def permutation_entropy(signal: Tensor, order: int) -> Tensor:
    """Return the entropy of the ordinal patterns of ``order`` successive values over its maximum, [R, C].

    Parameters
    ----------
    signal
        Signals [R, C, P, T] in units of the root mean square of the run.
    order
        Number of successive values.
    """
    frames = signal.shape[-1] - order + 1
    if frames < 1:
        return signal.new_zeros(signal.shape[:2])
    steps = (signal / NOISE_FLOOR).round()  # values that differ by less than rounding noise are equal
    lagged = [steps[..., start : start + frames] for start in range(order)]
    code = torch.zeros_like(lagged[0], dtype=torch.uint8)
    for bit, (i, j) in enumerate(combinations(range(order), 2)):
        code += (lagged[i] > lagged[j]).to(torch.uint8) << bit
    frequency = torch.stack([(code == pattern).float().mean((-2, -1)) for pattern in _patterns(order)], -1)
    return entropy(frequency) / math.log(math.factorial(order))


def _patterns(order: int) -> list[int]:
    """Return the codes of all possible orders; the bit of each pair i < j is set if value i is larger than value j."""
    return [
        sum((ranks[i] > ranks[j]) << bit for bit, (i, j) in enumerate(combinations(range(order), 2)))
        for ranks in permutations(range(order))
    ]


def rolling_variance(signal: Tensor, width: int) -> Tensor:
    """Return the variance within each window over the variance of the run, [R, C, windows].

    Both variances are averaged over the points of ``signal`` [R, C, P, T].
    """
    runs, channels, points, frames = signal.shape
    series = signal.reshape(-1, 1, frames)
    width = min(width, frames)
    within = avg_pool1d(series.square(), width, 1) - avg_pool1d(series, width, 1).square()
    total = signal.square().mean((-2, -1))
    pooled = within.view(runs, channels, points, -1).mean(-2).clamp_min(0)
    return pooled / safe_divisor(total)[..., None]
