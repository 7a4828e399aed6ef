"""Shares p(k) = |c(k)|^2 / sum |c|^2 of the Fourier modes k != 0 in the variance of each frame, and where they lie.

Wave numbers are in cycles per domain along either axis, so they mean the same on all grids. The radial spectrum S(k) is
the sum of p over the shell of modes with |k| rounded to k: of white noise it grows as k in two dimensions. Its density,
the mean over the shell, does not; slopes are those of the density. A frame that is constant up to noise (see
:mod:`spinlock.features.signals`) has no spectrum: p = 0, and the values that are named below. Values of a frame are
averaged over its channels.

Sources: Wiener-Khinchin for what follows from p; flatness as Wiener entropy (Johnston 1988); of a periodogram of white
noise, whose values are exponentially distributed, the flatness is exp(-0.5772) and the entropy 1 - 0.4228 / log N.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points (N in all), ``K`` = H (W / 2 + 1) modes of
the half spectrum, ``S`` shells, ``F`` features.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import FLOOR, level, positive

EDGES = (1.0, 2.0, 3.0, 5.0, 8.0, math.inf)
"""Of the bands, in cycles per domain; each holds a mode on 16 points, the fewest along an axis of any dataset."""

LEAST = 1e-6
"""Share below which a band is empty."""

FAINT = 1e-10
"""Of the mean over modes, or of the largest density: what is below it is rounding noise of the transform."""

FEATURES = {
    **{
        f"band_{low:.0f}_{high:.0f}": f"log10 of the share of the variance at {low:.0f} <= |k| < {high:.0f} cycles per "
        "domain; -6 (nothing there, also for a constant frame) to 0"
        for low, high in pairwise(EDGES)
    },
    "centroid": "log2 of the mean wavenumber sum k S(k), cycles per domain; 0 and up; 0 for a constant frame",
    "bandwidth": "standard deviation of the wavenumber under S(k) over its mean; 0 (one shell) and up; "
    "0 for a constant frame",
    "rolloff": "log2 of the wavenumber up to which 95 % of the variance lies; 0 and up; 0 for a constant frame",
    "slope": "slope of log density against log k over the shells that the grid holds whole, each octave with the same "
    "weight; -32 / log k_max to 32 / log k_max, white noise 0; 0 for a constant frame",
    "flatness": "log10 of the geometric over the arithmetic mean of p over the modes; -10 to 0; white noise -0.25; "
    "0 for a constant frame",
    "entropy": "-sum p log p over log(N - 1); 0 to 1; white noise 1 - 0.42 / log N; 0 for a constant frame",
    "dominant_wavenumber": "log2 of the k of the largest S(k), cycles per domain; 0 and up; 0 for a constant frame",
    "dominant_share": "share of the variance in that shell; 0 to 1; 0 for a constant frame",
    "anisotropy": "(l1 - l2) / (l1 + l2) of the eigenvalues of sum p k k^T / |k|^2, which weighs all |k| alike; "
    "0 (no direction) to 1 (stripes); 0 for a constant frame",
}

ROLLOFF = 0.95


def compute(run: Run) -> Tensor:
    """[R, T, F], averaged over channels."""
    weight, (k_y, k_x), radius = half_spectrum(run.frames)
    shell = shells(radius)
    low, high = (torch.tensor(edges, device=radius.device) for edges in (EDGES[:-1], EDGES[1:]))
    band = ((radius[:, None] >= low) & (radius[:, None] < high)).float()
    turn = second_moments(k_y, k_x, run.frames.shape[-2]) / positive(radius.square())[:, None]
    sums = torch.cat([shell, band, turn], 1)
    collected = [torch.cat([p @ sums, _disorder(p, weight)], -1) for p in mode_shares(run)]
    radial, bands, turned, disorder = torch.stack(collected).split_with_sizes([shell.shape[1], band.shape[1], 2, 2], -1)

    k = torch.arange(1, radial.shape[-1] + 1, device=radial.device).float()
    centroid = positive(radial @ k)  # 1 where there is no power, so that its logarithm is 0
    spread = (radial * (k - centroid[..., None]).square()).sum(-1).sqrt()
    dominant = radial.argmax(-1)
    columns = (
        *bands.clamp_min(LEAST).log10().unbind(-1),
        centroid.log2(),
        spread / centroid,
        _rolloff(radial).log2(),
        _slope(radial / positive(weight @ shell), whole_shells(run.frames)),
        *disorder.unbind(-1),
        (dominant + 1.0).log2(),
        radial.amax(-1),
        torch.hypot(*turned.unbind(-1)),
    )
    return torch.stack(columns, -1).mean(2)


def mode_shares(run: Run) -> Iterator[Tensor]:
    """p of each run in turn, [T, C, K], with the conjugates that a half spectrum leaves out; 0 for constant frames."""
    weight = half_spectrum(run.frames)[0]
    # Run by run: temporaries of one run fit a cache, and no result depends on how many runs there are.
    for spectrum, size in zip(run.spectrum, level(run), strict=True):
        power = (spectrum.real.square() + spectrum.imag.square()).flatten(-2) * weight
        variance = power.sum(-1)
        divisor = torch.where(variance.sqrt() > FLOOR * size, variance, math.inf)
        yield power / divisor[..., None]


def half_spectrum(frames: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """How many modes each of the half spectrum stands for (0 for the mean), their (k_y, k_x) and |k|, [K] each."""
    height, width = frames.shape[-2:]
    rows = torch.fft.fftfreq(height, 1 / height, device=frames.device)
    columns = torch.arange(width // 2 + 1, device=frames.device).float()
    alone = (columns == 0) | (2 * columns == width)
    weight = torch.where(alone, 1.0, 2.0).expand(height, -1).flatten()
    k_y, k_x = (part.flatten() for part in torch.meshgrid(rows, columns, indexing="ij"))
    radius = torch.hypot(k_y, k_x)
    return torch.where(radius > 0, weight, 0.0), (k_y, k_x), radius


def shells(radius: Tensor) -> Tensor:
    """1 where |k| rounds to 1, 2 .. S, [K, S]; a product with it sums over shells, in the same order every time."""
    last = max(round(radius.max().item()), 1)
    return (radius.round()[:, None] == torch.arange(1, last + 1, device=radius.device)).float()


def whole_shells(frames: Tensor) -> int:
    """Wavenumber up to which the grid holds all directions."""
    return max(min((size // 2 for size in frames.shape[-2:] if size > 1), default=1), 1)


def second_moments(k_y: Tensor, k_x: Tensor, height: int) -> Tensor:
    """k_x^2 - k_y^2 and 2 k_x k_y, [K, 2]: with p, the hypotenuse of their means is l1 - l2 of the tensor sum p k k^T.

    At k_y = -H / 2 the sign of k_y is arbitrary, so that the product counts as 0.
    """
    product = torch.where(2 * k_y == -height, 0.0, 2 * k_x * k_y)
    return torch.stack([k_x.square() - k_y.square(), product], -1)


def _disorder(p: Tensor, weight: Tensor) -> Tensor:
    """Flatness and entropy [T, C, 2] from log(p / mean p) of the single modes."""
    modes = weight.sum().clamp_min(1.0)
    logs = (p * (modes / positive(weight))).clamp_min_(FAINT).log_()
    some = p.sum(-1)
    flatness = logs @ weight / modes / math.log(10)
    entropy = some - (p * logs).sum(-1) / modes.log().clamp_min(1.0)
    return torch.stack([flatness, entropy], -1) * (some > 0)[..., None]


def _rolloff(radial: Tensor) -> Tensor:
    """Wavenumber [...] at which the sum of S(k) [..., S] reaches its share, linear within a shell; 1 without power."""
    reached = radial @ torch.ones(2 * radial.shape[-1:], device=radial.device).triu()
    wanted = ROLLOFF * reached[..., -1:]
    shell = (reached >= wanted).to(torch.uint8).argmax(-1, keepdim=True)
    inside = (reached.gather(-1, shell) - wanted) / positive(radial.gather(-1, shell))
    return torch.where(wanted > 0, shell + 1.5 - inside, 1.0).squeeze(-1)


def _slope(density: Tensor, last: int) -> Tensor:
    """Weighted least squares of log density [..., S] on log k for k = 1 .. last; 0 where there is nothing to fit."""
    inner = density[..., :last]
    largest = inner.amax(-1, keepdim=True)
    height = torch.where(largest > 0, (inner / positive(largest)).clamp_min(FAINT).log(), 0.0)
    k = torch.arange(1, last + 1, device=density.device).float()
    weight = (1 / k) / (1 / k).sum()
    place = k.log() - (weight * k.log()).sum()
    return height @ (weight * place) / positive((weight * place.square()).sum())
