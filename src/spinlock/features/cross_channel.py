"""Dependence between the channels of a frame, from fields a and b with mean 0 and variance 1.

The correlation is r = <a b> at the same points and r(d) = <a(x) b(x + d)> at a shift d, which detects displaced
patterns. The mutual information also detects nonlinear dependence; it is converted to the correlation of two Gaussians
with the same information (Linfoot 1957). The coherence is |S_ab|^2 / (S_aa S_bb) of shells of wave numbers. Each S is
summed over the modes of a shell, because the coherence of a single mode is 1 for any two fields.

A channel of a frame is constant if its standard deviation over space is at most
:data:`~spinlock.features.signals.NOISE_FLOOR` times its root mean square over the run; its correlations with the other
channels are then 0. Features of pairs are means over the pairs of channels i < j.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``P`` pairs of channels, ``H`` x ``W`` points, ``N`` = H W, ``K`` =
W / 2 + 1, ``S`` shells, ``F`` features.
"""

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import pad

from spinlock.features.run import Run
from spinlock.features.signals import MIN_ENERGY_RATIO, NOISE_FLOOR, entropy, run_rms, safe_divisor

EDGES = (-1.1503, -0.6745, -0.3186, 0.0, 0.3186, 0.6745, 1.1503)
"""Inner edges of the bins for the mutual information, in standard deviations: the octiles of a Gaussian."""

FEATURES = {
    "eigenvalue_share": "largest eigenvalue of the covariance of the channels over the sum of all; 1 / C to 1; "
    "1 for C = 1 and if all channels are constant",
    "participation_ratio": "(sum l)^2 / sum l^2 of the eigenvalues l of the correlation matrix of the channels that "
    "are not constant; 1 to C; 1 for C = 1 and if all are constant",
    "energy_imbalance": "log of the largest over the smallest <u^2> of the channels; 0 to 27.6; 0 for C = 1 and for a "
    "frame of zeros",
    "correlation_mean": "r of two channels at the same points; -1 to 1; 0 for C = 1 and constant channels",
    "correlation_max": "largest r(d) over all shifts d; 0 to 1; 0 for C = 1 and constant channels",
    "correlation_min": "smallest r(d) over all shifts d; -1 to 0; 0 for C = 1 and constant channels",
    "mutual_information": "mutual information from 8 x 8 bins minus its bias (Miller 1955), as a correlation; "
    "0 to 0.99; about 0.03 for independent noise on 64 x 64 points; 0 for C = 1 and constant channels",
    "gradient_alignment": "mean cosine of twice the angle between the gradients, weighted by their squares; -1 (at "
    "right angles) to 1 (parallel); 1 for H = 1; 0 for C = 1, constant channels and gradients without overlap",
    "phase_alignment": "mean cosine of twice the phase between the spectra, weighted by their squares; -1 (a quarter "
    "wave apart) to 1 (in phase or opposite); 0 for C = 1, constant channels and spectra without a common mode",
    "coherence": "coherence of shells with a width of one octave, weighted by (S_aa S_bb)^0.5; 0 to 1; about "
    "1 / (modes in a shell) for independent fields; 0 for C = 1 and constant channels",
}

SINGLE = (1.0, 1.0, *[0.0] * 8)
"""The features of a run with one channel."""


def compute(run: Run) -> Tensor:
    """Return the features, [R, T, F]."""
    count, frames, channels = run.frames.shape[:3]
    if channels == 1:
        return run.frames.new_tensor(SINGLE).expand(count, frames, -1).clone()
    largest = safe_divisor(run.energy.amax(1, keepdim=True))
    relative = torch.where(run.energy.amax(1, keepdim=True) > 0, run.energy / largest, 1.0)
    imbalance = -relative.amin(1).clamp_min(MIN_ENERGY_RATIO).log()
    rows = zip(run.frames, run.spectrum, run_rms(run), imbalance, strict=True)
    return torch.stack([_run_features(*row) for row in rows])


def _run_features(frames: Tensor, spectrum: Tensor, rms: Tensor, imbalance: Tensor) -> Tensor:
    """Return the features of one run, [T, F]; its temporary arrays fit the processor's cache.

    Parameters
    ----------
    frames
        [T, C, H, W].
    spectrum
        Fourier coefficients of the frames, [T, C, H, K].
    rms
        Root mean square of each channel over the run, [C].
    imbalance
        The feature energy_imbalance of each frame, [T].
    """
    relative = frames / rms[:, None, None]
    centered = relative - relative.mean((-2, -1), keepdim=True)
    spread = centered.square().mean((-2, -1)).sqrt()
    inverse = torch.where(spread > NOISE_FLOOR, 1 / safe_divisor(spread), 0.0)  # [T, C]
    unit = centered * inverse[..., None, None]
    modes = spectrum * (inverse / rms)[..., None, None]
    first, second = torch.triu_indices(frames.shape[1], frames.shape[1], 1, device=frames.device)
    cross = modes[:, first].conj() * modes[:, second]
    cross[..., 0, 0] = 0  # removes the product of the means
    shifted = torch.fft.irfft2(cross, s=frames.shape[-2:], norm="forward").flatten(-2).clamp(-1, 1)

    flat = unit.flatten(-2)
    correlation = (flat @ flat.transpose(-2, -1) / flat.shape[-1]).double().clamp(-1, 1)
    deviation = torch.where(inverse > 0, spread * rms, 0.0).double()
    columns = (
        _eigenvalue_share(correlation, deviation).to(frames.dtype),
        _participation(correlation).to(frames.dtype),
        imbalance,
        correlation[:, first, second].mean(-1).to(frames.dtype),
        shifted.amax(-1).mean(-1),
        shifted.amin(-1).mean(-1),
        mutual_information(flat).mean(-1).to(frames.dtype),
        _gradient_alignment(unit, first, second).mean(-1),
        _phase_alignment(cross, frames.shape[-1]).mean(-1),
        _coherence(modes, cross, first, second, frames.shape[-1]).mean(-1),
    )
    return torch.stack(columns, -1)


def _eigenvalue_share(correlation: Tensor, deviation: Tensor) -> Tensor:
    """Return the largest over the total variance, [T], from correlations [T, C, C] and standard deviations [T, C].

    The deviations are divided by the largest one, because the square of a small deviation can underflow.
    """
    deviation = deviation / safe_divisor(deviation.amax(-1, keepdim=True))
    values: Tensor = torch.linalg.eigvalsh(correlation * deviation[:, :, None] * deviation[:, None])
    total = values.sum(-1)
    return torch.where(total > 0, values[:, -1] / safe_divisor(total), 1.0).clamp(0, 1)


def _participation(correlation: Tensor) -> Tensor:
    """Return the participation ratio tr(r)^2 / tr(r r), [T], of correlation matrices r [T, C, C]."""
    trace = correlation.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.where(trace > 0, trace.square() / safe_divisor(correlation.square().sum((-2, -1))), 1.0)


def mutual_information(unit: Tensor) -> Tensor:
    """Return (1 - exp(-2 I))^0.5 with I = H(a) + H(b) - H(a, b) for each pair of channels.

    Parameters
    ----------
    unit
        Standardized fields, [T, C, N].

    Returns
    -------
    Tensor
        float64 [T, P].
    """
    frames, channels, points = unit.shape
    bins = len(EDGES) + 1
    bin_index = torch.zeros(unit.shape, dtype=torch.uint8, device=unit.device)
    for edge in EDGES:
        bin_index += (unit > edge).view(torch.uint8)
    first_cell = bins**2 * torch.arange(frames, device=unit.device)[:, None]
    counts = []
    for i, j in combinations(range(channels), 2):
        cell_index = bins * bin_index[:, i] + bin_index[:, j] + first_cell
        counts.append(torch.bincount(cell_index.flatten(), minlength=frames * bins**2).view(frames, bins, bins))
    probability = torch.stack(counts, 1).double() / points
    marginals = probability.sum(-1), probability.sum(-2)
    information = sum(entropy(marginal) for marginal in marginals) - entropy(probability.flatten(-2))
    occupied = (probability > 0).sum((-2, -1)) - sum((marginal > 0).sum(-1) for marginal in marginals) + 1
    information = (information - occupied / (2 * points)).clamp_min(0)
    return (-torch.expm1(-2 * information)).sqrt()


def _gradient_alignment(unit: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return sum (dot^2 - cross^2) / sum (dot^2 + cross^2) of the dot and cross products of the gradients, [T, P]."""
    height, width = unit.shape[-2:]
    padded = pad(unit, (1, 1, 1, 1), mode="circular")
    x = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (height / width)
    steepness = (x.square() + y.square()).mean((-2, -1))
    alignments = []
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        dot = x[:, i] * x[:, j] + y[:, i] * y[:, j]
        cross = x[:, i] * y[:, j] - y[:, i] * x[:, j]
        parallel, perpendicular = (product.square_().mean((-2, -1)) for product in (dot, cross))
        noise = NOISE_FLOOR**2 * steepness[:, i] * steepness[:, j]
        alignments.append((parallel - perpendicular) / safe_divisor(parallel + perpendicular + noise))
    return torch.stack(alignments, 1)


def _phase_alignment(cross: Tensor, width: int) -> Tensor:
    """Return sum Re(X^2) / sum |X|^2 over the modes of the cross spectrum X [T, P, H, K], [T, P].

    The modes n and -n have the same Re(X^2). An X below :data:`NOISE_FLOOR` is rounding noise without a meaningful
    phase.
    """
    count = _multiplicity(width, cross)
    real, imaginary = ((part.square().sum(-2) * count).sum(-1) for part in (cross.real, cross.imag))
    return (real - imaginary) / (real + imaginary + NOISE_FLOOR**2)


def _coherence(modes: Tensor, cross: Tensor, first: Tensor, second: Tensor, width: int) -> Tensor:
    """Return the coherence, [T, P]; in the sum over n and -n only the real part of the cross spectrum remains."""
    member = _shells(modes.shape[-2], width, modes)
    power = (modes.real.square() + modes.imag.square()).flatten(-2) @ member  # [T, C, S]
    shared = cross.real.flatten(-2) @ member
    both = (power[:, first] * power[:, second]).sqrt()
    return ((shared.square() / safe_divisor(both)).sum(-1) / safe_divisor(both.sum(-1))).clamp(0, 1)


def _multiplicity(width: int, like: Tensor) -> Tensor:
    """Return the number of modes that each column of the half spectrum represents, [K].

    It is 1 for the first column and, for even W, also for the last column; it is 2 for all other columns.
    """
    n_x = torch.arange(width // 2 + 1, device=like.device)
    return 1 + ((n_x > 0) & (2 * n_x != width)).to(like.real.dtype)


def _shells(height: int, width: int, like: Tensor) -> Tensor:
    """Return the number of modes of shell s that each coefficient of the half spectrum represents, 0 to 2, [H K, S].

    Shell s contains the wave numbers from 2^s to 2^(s + 1) cycles per domain; the mean is in no shell.
    """
    n_x = torch.arange(width // 2 + 1, device=like.device)
    n_y = torch.arange(height, device=like.device)
    n_y = torch.minimum(n_y, height - n_y)
    square = n_y[:, None].square() + n_x.square()  # integers, because rounding could move a mode to another shell
    largest = (height // 2) ** 2 + (width // 2) ** 2
    starts = 4 ** torch.arange((largest.bit_length() + 1) // 2, device=like.device)
    inside = (square[..., None] >= starts) & (square[..., None] < 4 * starts)
    return (inside * _multiplicity(width, like)[:, None]).flatten(0, 1)
