"""Spatial power spectrum of each frame: fractions p(k) = |c(k)|^2 / sum |c|^2 of the variance in the modes k != 0.

Wave numbers are in cycles per domain along each axis, so that they are comparable between grids. The radial spectrum
S(k) is the sum of p over the shell of modes with |k| rounded to k. For white noise in two dimensions S(k) grows as k,
but the mean of p over the shell, the spectral density, is constant; slopes are those of the density. A frame that is
constant up to rounding noise (see :mod:`spinlock.features.signals`) has p = 0; the list gives its values. Features of a
frame are averaged over its channels.

Source: the flatness is the Wiener entropy (Johnston 1988). The periodogram of white noise has
exponentially distributed values, so that its flatness is exp(-0.5772) and its entropy 1 - 0.4228 / log N.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` points (N in total), ``K`` = H (W / 2 + 1) modes of
the half spectrum, ``S`` shells, ``F`` features.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import NOISE_FLOOR, run_rms, safe_divisor

EDGES = (1.0, 2.0, 3.0, 5.0, 8.0, math.inf)
"""Edges of the bands in cycles per domain; each band contains a mode on a grid of 16 points, the smallest grid."""

MIN_FRACTION = 1e-6
"""Lower limit of the fraction of a band before the logarithm."""

MIN_POWER = 1e-10
"""Lower limit of power before the logarithm, relative to the mean over modes or to the largest density.

Smaller values are rounding noise of the transform.
"""

FEATURES = {
    **{
        f"band_{low:.0f}_{high:.0f}": f"log10 of the fraction of the variance at {low:.0f} <= |k| < {high:.0f} cycles "
        "per domain; -6 (1e-6 or less) to 0; -6 for a constant frame"
        for low, high in pairwise(EDGES)
    },
    "centroid": "log2 of the mean wavenumber sum k S(k), cycles per domain; 0 and up; 0 for a constant frame",
    "bandwidth": "standard deviation of the wavenumber under S(k) over its mean; 0 (one shell) and up; "
    "0 for a constant frame",
    "rolloff": "log2 of the wavenumber below which 95 % of the variance lies; 0 and up; 0 for a constant frame",
    "slope": "slope of log density against log k over the complete shells of the grid, each octave with the same "
    "weight; -32 / log k_max to 32 / log k_max, white noise 0; 0 for a constant frame",
    "flatness": "log10 of the geometric over the arithmetic mean of p over the modes; -10 to 0; white noise -0.25; "
    "0 for a constant frame",
    "entropy": "-sum p log p over log(N - 1); 0 to 1; white noise 1 - 0.42 / log N; 0 for a constant frame",
    "dominant_wavenumber": "log2 of the k of the largest S(k), cycles per domain; 0 and up; 0 for a constant frame",
    "dominant_share": "fraction of the variance in the shell of the largest S(k); 0 to 1; 0 for a constant frame",
    "anisotropy": "(l1 - l2) / (l1 + l2) of the eigenvalues of sum p k k^T / |k|^2, which weights all |k| equally; "
    "0 (no direction) to 1 (stripes); 0 for a constant frame",
}

ROLLOFF = 0.95
"""Fraction of the variance below the rolloff wave number."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, T, F]."""
    weight, (k_y, k_x), radius = half_spectrum(run.frames)
    shell = shells(radius)
    low, high = (torch.tensor(edges, device=radius.device) for edges in (EDGES[:-1], EDGES[1:]))
    band = ((radius[:, None] >= low) & (radius[:, None] < high)).float()
    direction = second_moments(k_y, k_x, run.frames.shape[-2]) / safe_divisor(radius.square())[:, None]
    sums = torch.cat([shell, band, direction], 1)
    products = [torch.cat([p @ sums, _flatness_and_entropy(p, weight)], -1) for p in mode_fractions(run)]
    sizes = [shell.shape[1], band.shape[1], 2, 2]
    radial, bands, moments, disorder = torch.stack(products).split_with_sizes(sizes, -1)

    k = torch.arange(1, radial.shape[-1] + 1, device=radial.device).float()
    centroid = safe_divisor(radial @ k)  # 1 if there is no power, so that its logarithm is 0
    spread = (radial * (k - centroid[..., None]).square()).sum(-1).sqrt()
    dominant = radial.argmax(-1)
    columns = (
        *bands.clamp_min(MIN_FRACTION).log10().unbind(-1),
        centroid.log2(),
        spread / centroid,
        _rolloff(radial).log2(),
        _slope(radial / safe_divisor(weight @ shell), num_complete_shells(run.frames)),
        *disorder.unbind(-1),
        (dominant + 1.0).log2(),
        radial.amax(-1),
        torch.hypot(*moments.unbind(-1)),
    )
    return torch.stack(columns, -1).mean(2)


def mode_fractions(run: Run) -> Iterator[Tensor]:
    """Yield p of each run, [T, C, K], including the conjugate modes; 0 for constant frames."""
    weight = half_spectrum(run.frames)[0]
    # One run at a time, so that temporary arrays fit the processor's cache and results do not depend on other runs.
    for spectrum, size in zip(run.spectrum, run_rms(run), strict=True):
        power = (spectrum.real.square() + spectrum.imag.square()).flatten(-2) * weight
        variance = power.sum(-1)
        divisor = torch.where(variance.sqrt() > NOISE_FLOOR * size, variance, math.inf)
        yield power / divisor[..., None]


def half_spectrum(frames: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Return the modes of the half spectrum of ``frames`` [..., H, W].

    Returns
    -------
    weight : Tensor
        Number of modes that each entry represents, 1 or 2, and 0 for the mean, [K].
    (k_y, k_x) : tuple of Tensor
        Wave numbers in cycles per domain, [K] each.
    radius : Tensor
        |k|, [K].
    """
    height, width = frames.shape[-2:]
    rows = torch.fft.fftfreq(height, 1 / height, device=frames.device)
    columns = torch.arange(width // 2 + 1, device=frames.device).float()
    is_single = (columns == 0) | (2 * columns == width)
    weight = torch.where(is_single, 1.0, 2.0).expand(height, -1).flatten()
    k_y, k_x = (axis.flatten() for axis in torch.meshgrid(rows, columns, indexing="ij"))
    radius = torch.hypot(k_y, k_x)
    return torch.where(radius > 0, weight, 0.0), (k_y, k_x), radius


def shells(radius: Tensor) -> Tensor:
    """Return the matrix [K, S] whose column s is 1 for the modes with |k| rounded to s = 1, ..., S, and else 0.

    A product with this matrix sums over shells in a fixed order.
    """
    last = max(round(radius.max().item()), 1)
    return (radius.round()[:, None] == torch.arange(1, last + 1, device=radius.device)).float()


def num_complete_shells(frames: Tensor) -> int:
    """Return the largest wave number whose shell is complete on the grid of ``frames`` [..., H, W]."""
    return max(min((size // 2 for size in frames.shape[-2:] if size > 1), default=1), 1)


def second_moments(k_y: Tensor, k_x: Tensor, height: int) -> Tensor:
    """Return k_x^2 - k_y^2 and 2 k_x k_y, [K, 2].

    The hypotenuse of their sums, weighted by p, is the difference l1 - l2 of the eigenvalues of the tensor sum p k k^T.
    At k_y = -H / 2 the sign of k_y is arbitrary, so that the product is set to 0.
    """
    product = torch.where(2 * k_y == -height, 0.0, 2 * k_x * k_y)
    return torch.stack([k_x.square() - k_y.square(), product], -1)


def _flatness_and_entropy(p: Tensor, weight: Tensor) -> Tensor:
    """Return the flatness and the entropy, [T, C, 2], from log(p / mean p) of the modes.

    Parameters
    ----------
    p
        Fractions of the variance, [T, C, K], including the conjugate modes.
    weight
        Number of modes that each entry of p represents, [K].
    """
    modes = weight.sum().clamp_min(1.0)
    logs = (p * (modes / safe_divisor(weight))).clamp_min_(MIN_POWER).log_()
    total = p.sum(-1)
    flatness = logs @ weight / modes / math.log(10)
    entropy = total - (p * logs).sum(-1) / modes.log().clamp_min(1.0)
    return torch.stack([flatness, entropy], -1) * (total > 0)[..., None]


def _rolloff(radial: Tensor) -> Tensor:
    """Return the wave number at which the sum of S(k) [..., S] reaches 95 %, linear within a shell, [...].

    It is 1 if there is no power.
    """
    cumulative = radial @ torch.ones(2 * radial.shape[-1:], device=radial.device).triu()
    target = ROLLOFF * cumulative[..., -1:]
    shell = (cumulative >= target).to(torch.uint8).argmax(-1, keepdim=True)
    excess = (cumulative.gather(-1, shell) - target) / safe_divisor(radial.gather(-1, shell))
    return torch.where(target > 0, shell + 1.5 - excess, 1.0).squeeze(-1)


def _slope(density: Tensor, last: int) -> Tensor:
    """Return the weighted least-squares slope of log density [..., S] against log k for k = 1 .. ``last``, [...].

    The weights are 1 / k. The slope is 0 if there is no power.
    """
    complete = density[..., :last]
    largest = complete.amax(-1, keepdim=True)
    height = torch.where(largest > 0, (complete / safe_divisor(largest)).clamp_min(MIN_POWER).log(), 0.0)
    k = torch.arange(1, last + 1, device=density.device).float()
    weight = (1 / k) / (1 / k).sum()
    position = k.log() - (weight * k.log()).sum()
    return height @ (weight * position) / safe_divisor((weight * position.square()).sum())
