"""Periodograms of a run's signals: |FFT(w (x - line))|^2 at f = j / T, j = 1 .. T / 2, with a Hann window w.

The mean periodogram over the points sees waves that leave every spatial mean as it is. The peak is located between the
bins by a parabola through the logarithm of the power. Runs of fewer than :data:`FEWEST` frames, and signals that are
constant up to noise, have no spectrum: shares and entropies are 0, frequencies log(1 / T). Part of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``J`` frequencies, ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import detrended, entropy, level, log_energy, moving_points, positive

FEATURES = {
    "dominant_frequency": "log of the peak of the points' mean periodogram, in cycles/frame; log(1 / T) to log(1/2)",
    "dominant_power": "share of that periodogram in the peak's bin and its two neighbors; 0 to 1",
    "spectral_entropy": "entropy of that periodogram over the log of its number of bins; 0 to 1",
    "energy_dominant_frequency": "log of the peak of the periodogram of log E(t); log(1 / T) to log(1/2)",
    "energy_dominant_power": "share of the periodogram of log E(t) in its peak and the two bins beside it; 0 to 1",
    "energy_spectral_entropy": "entropy of the periodogram of log E(t) over the log of its number of bins; 0 to 1",
    "mean_spectral_entropy": "entropy of the periodogram of the spatial mean s(t) over the log of its number of bins; "
    "0 to 1; 0 where s is conserved",
}

FEWEST = 8
"""With fewer frames there are fewer than four frequencies, of which a peak takes three."""


def compute(run: Run) -> Tensor:
    """[R, F], averaged over channels."""
    points = periodogram(moving_points(run)).mean(-2)
    energy = periodogram(log_energy(run))
    mean = periodogram(run.mean / level(run)[..., None])
    frames = run.frames.shape[1]
    columns = (
        peak_frequency(points, frames).log(),
        peak_share(points),
        spectral_entropy(points),
        peak_frequency(energy, frames).log(),
        peak_share(energy),
        spectral_entropy(energy),
        spectral_entropy(mean),
    )
    return torch.stack(columns, -1).mean(1)


def periodogram(signal: Tensor) -> Tensor:
    """Power [..., J] of the detrended signal [..., T] (scaled to its run) at 1 / T, 2 / T ... up to 1/2."""
    frames = signal.shape[-1]
    if frames < FEWEST:
        return signal.new_zeros((*signal.shape[:-1], 1))
    window = torch.hann_window(frames, dtype=signal.dtype, device=signal.device)
    spectrum: Tensor = torch.fft.rfft(detrended(signal) * window)
    return spectrum.abs().square()[..., 1:]


def peak_frequency(power: Tensor, frames: int) -> Tensor:
    """Frequency [...] of the largest power [..., J], refined by the parabola through the logarithms around it.

    At the lowest bin there is nothing to refine: 1 / T, also where there is no power.
    """
    total = power.sum(-1)
    height = (power / positive(total)[..., None]).clamp_min(1e-12).log()
    inner = height.shape[-1] - 2
    peak = height.argmax(-1, keepdim=True)
    if inner < 1:
        return torch.full_like(total, 1 / frames)
    middle = peak.clamp(1, inner)
    left, center, right = (height.gather(-1, middle + step) for step in (-1, 0, 1))
    bend = left - 2 * center + right
    offset = torch.where((peak == middle) & (bend < 0), 0.5 * (left - right) / bend, (peak - middle).to(power.dtype))
    frequency = (middle + 1 + offset).squeeze(-1) / frames
    return torch.where(total > 0, frequency, 1 / frames)


def peak_share(power: Tensor) -> Tensor:
    """Share [...] of the power [..., J] that lies in the largest bin and beside it."""
    window = torch.nn.functional.pad(power, (1, 1)).unfold(-1, 3, 1).sum(-1)
    around = window.gather(-1, power.argmax(-1, keepdim=True)).squeeze(-1)
    return around / positive(power.sum(-1))


def spectral_entropy(power: Tensor) -> Tensor:
    """-sum p log p / log J of the shares p of the power [..., J]; 0 where there is none."""
    share = power / positive(power.sum(-1, keepdim=True))
    return entropy(share) / math.log(max(power.shape[-1], 2))
