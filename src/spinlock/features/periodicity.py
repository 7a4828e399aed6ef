"""Periodograms of the signals of a run: |FFT(w (x - fit))|^2 at f = j / T, j = 1 .. T / 2, with a Hann window w.

The linear fit of the signal is subtracted. The mean periodogram over the points detects waves that do not change the
spatial mean. The peak is interpolated by a parabola through the logarithm of the power. For runs with fewer than
:data:`MIN_FRAMES` frames and for signals that are constant up to rounding noise, powers and entropies are 0 and log
frequencies are log(1 / T). These features are part of the temporal group.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``J`` frequencies, ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import detrended, entropy, log_energy, point_fluctuations, run_rms, safe_divisor

FEATURES = {
    "dominant_frequency": "log of the peak of the mean periodogram of the points, cycles/frame; log(1 / T) to log(1/2)",
    "dominant_power": "fraction of that periodogram in the bin of the peak and its two neighbors; 0 to 1",
    "spectral_entropy": "entropy of that periodogram over the log of its number of bins; 0 to 1",
    "energy_dominant_frequency": "log of the peak of the periodogram of log E(t); log(1 / T) to log(1/2)",
    "energy_dominant_power": "fraction of the periodogram of log E(t) in its peak and the two neighboring bins; 0 to 1",
    "energy_spectral_entropy": "entropy of the periodogram of log E(t) over the log of its number of bins; 0 to 1",
    "mean_spectral_entropy": "entropy of the periodogram of the spatial mean s(t) over the log of its number of bins; "
    "0 to 1; 0 if s is conserved",
}

MIN_FRAMES = 8
"""Minimum number of frames of a periodogram. With fewer, it has fewer than four frequencies; a peak has three."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, F]."""
    points = periodogram(point_fluctuations(run)).mean(-2)
    energy = periodogram(log_energy(run))
    mean = periodogram(run.mean / run_rms(run)[..., None])
    frames = run.frames.shape[1]
    columns = (
        peak_frequency(points, frames).log(),
        peak_fraction(points),
        spectral_entropy(points),
        peak_frequency(energy, frames).log(),
        peak_fraction(energy),
        spectral_entropy(energy),
        spectral_entropy(mean),
    )
    return torch.stack(columns, -1).mean(1)


def periodogram(signal: Tensor) -> Tensor:
    """Return the power at the frequencies 1 / T, 2 / T, ..., 1/2, [..., J].

    Parameters
    ----------
    signal
        Signals [..., T] in units of the root mean square of the run.
    """
    frames = signal.shape[-1]
    if frames < MIN_FRAMES:
        return signal.new_zeros((*signal.shape[:-1], 1))
    window = torch.hann_window(frames, dtype=signal.dtype, device=signal.device)
    spectrum: Tensor = torch.fft.rfft(detrended(signal) * window)
    return spectrum.abs().square()[..., 1:]


def peak_frequency(power: Tensor, frames: int) -> Tensor:
    """Return the frequency of the peak in cycles per frame, interpolated by a parabola through log power, [...].

    A peak in the first or last bin is not interpolated. The frequency is 1 / T if there is no power.

    Parameters
    ----------
    power
        Power [..., J] at the frequencies 1 / T, 2 / T, ...
    frames
        Number of frames T.
    """
    total = power.sum(-1)
    height = (power / safe_divisor(total)[..., None]).clamp_min(1e-12).log()
    inner = height.shape[-1] - 2
    peak = height.argmax(-1, keepdim=True)
    if inner < 1:
        return torch.full_like(total, 1 / frames)
    middle = peak.clamp(1, inner)
    left, center, right = (height.gather(-1, middle + step) for step in (-1, 0, 1))
    curvature = left - 2 * center + right
    is_inside = (peak == middle) & (curvature < 0)
    offset = torch.where(is_inside, 0.5 * (left - right) / curvature, (peak - middle).to(power.dtype))
    frequency = (middle + 1 + offset).squeeze(-1) / frames
    return torch.where(total > 0, frequency, 1 / frames)


def peak_fraction(power: Tensor) -> Tensor:
    """Return the fraction of the power [..., J] in the largest bin and its neighbors, [...]."""
    window = torch.nn.functional.pad(power, (1, 1)).unfold(-1, 3, 1).sum(-1)
    around = window.gather(-1, power.argmax(-1, keepdim=True)).squeeze(-1)
    return around / safe_divisor(power.sum(-1))


def spectral_entropy(power: Tensor) -> Tensor:
    """Return -sum p log p / log J of the normalized power p, [...]; 0 if there is no power."""
    probability = power / safe_divisor(power.sum(-1, keepdim=True))
    return entropy(probability) / math.log(max(power.shape[-1], 2))
