"""Recurrence quantification of a run: R(t, t') = 1 where its states at t and t' are similar.

The recurrence rate counts the pairs with a distance below :data:`THRESHOLD`. The lines of the recurrence plot (Eckmann
et al. 1987; Zbilut and Webber 1992) are those of the nearest tenth of the pairs (:data:`NEIGHBOR_FRACTION`; a fixed
rate, Marwan et al. 2007), so that they do not depend on the recurrence rate. Diagonals are sequences that evolve
similarly, and verticals are sequences that stay constant. Pairs closer than :data:`THEILER` frames are excluded,
because they are similar by continuity. A stationary run recurs everywhere: its rate, determinism and lengths have their
maximum. For T < 3 all features are 0. These features are part of the nonlinear group.

Letters: ``R`` runs, ``T`` frames (after subsampling), ``F`` features.
"""

import math

import torch
from torch import Tensor

THRESHOLD = 0.3
"""Distance of recurrent states over the root mean square distance of the frames of the run."""

NEIGHBOR_FRACTION = 0.1
"""Fraction of the pairs, the nearest ones, in which lines are counted."""

TIE = 1 + 1e-3
"""Ratio up to which distances count as equal, so that rounding does not decide which pairs are among the nearest."""

THEILER = 2
"""Minimum distance in time of a pair of frames."""

MIN_LINE = 3
"""Minimum number of points of a line."""

FEATURES = {
    "recurrence_rate": "fraction of pairs of frames, two or more apart, within 0.3 rms distances of each other; 0 to 1",
    "determinism": "fraction of the nearest tenth of pairs on diagonals of three or more; 0 to 1",
    "laminarity": "fraction of the nearest tenth of pairs on verticals of three or more; 0 to 1",
    "mean_diagonal": "log of the mean length of diagonals (1 or more); 0 to log T",
    "longest_diagonal": "log(1 + length of the longest) over log(1 + the longest possible); 0 to 1",
    "trapping_time": "log of the mean length of verticals (1 or more); 0 to log T",
    "recurrence_trend": "correlation of the lag with the fraction of pairs among the nearest tenth; -1 (drifting) to 1",
}


def quantify(distance: Tensor) -> list[Tensor]:
    """Return the features, [R] each, from normalized distances [R, T, T]."""
    frames = distance.shape[-1]
    if frames <= THEILER:
        return [distance.new_zeros(len(distance))] * len(FEATURES)
    time = torch.arange(frames, device=distance.device)
    is_apart = (time[:, None] - time).abs() >= THEILER
    pairs = int(is_apart.sum())
    rate = ((distance < THRESHOLD) & is_apart).sum((-2, -1)) / pairs
    similar = (distance <= TIE * neighbor_radius(distance[:, is_apart])[:, None, None]) & is_apart
    diagonals = _by_lag(similar)
    diagonal, vertical = _line_lengths(diagonals), _line_lengths(similar)
    return [
        rate,
        _fraction_on_lines(diagonal),
        _fraction_on_lines(vertical),
        _mean_length(diagonal),
        (1 + diagonal.amax((-2, -1)).float()).log() / math.log(1 + frames - THEILER),
        _mean_length(vertical),
        _trend(diagonals),
    ]


def neighbor_radius(pairs: Tensor) -> Tensor:
    """Return the largest distance [R] of the nearest tenth of all pairs [R, pairs]."""
    return pairs.kthvalue(math.ceil(NEIGHBOR_FRACTION * pairs.shape[-1])).values


def _by_lag(similar: Tensor) -> Tensor:
    """Diagonals as rows, [R, L, T]: entry (l, t) is the pair (t, t + l + THEILER), False beyond the end."""
    frames = similar.shape[-1]
    time = torch.arange(frames, device=similar.device)
    later = time[THEILER:, None] + time  # [L, T]
    by_time = similar.gather(-1, later.T.clamp_max(frames - 1).expand(len(similar), -1, -1))  # (t, l)
    return by_time.transpose(-2, -1) & (later < frames)


def _line_lengths(similar: Tensor) -> Tensor:
    """Length [..., T] of each line along the last axis at its last point, 0 elsewhere."""
    position = torch.arange(similar.shape[-1], device=similar.device)
    length = position - torch.where(similar, -1, position).cummax(-1).values
    is_end = similar & ~torch.nn.functional.pad(similar[..., 1:], (0, 1))
    return torch.where(is_end, length, 0)


def _fraction_on_lines(length: Tensor) -> Tensor:
    """Fraction of the points on lines with at least :data:`MIN_LINE` points, [R]."""
    on_lines = torch.where(length >= MIN_LINE, length, 0).sum((-2, -1))
    return on_lines / length.sum((-2, -1)).clamp_min(1)


def _mean_length(length: Tensor) -> Tensor:
    """Log of the mean length of all lines, [R]."""
    lines = (length > 0).sum((-2, -1)).clamp_min(1)
    return (length.sum((-2, -1)) / lines).clamp_min(1).log()


def _trend(diagonals: Tensor) -> Tensor:
    """Correlation of the lag with the fraction of similar pairs, weighted by the number of pairs of each lag, [R]."""
    lags = diagonals.shape[-2]
    lag = torch.arange(lags, dtype=torch.float32, device=diagonals.device)
    pairs = lags - lag
    weight = pairs / pairs.sum()
    fraction = diagonals.sum(-1) / pairs
    lag = lag - (weight * lag).sum()
    fraction = fraction - (weight * fraction).sum(-1, keepdim=True)
    product = (weight * lag.square()).sum() * (weight * fraction.square()).sum(-1)
    return torch.where(product > 1e-8, (weight * lag * fraction).sum(-1) / product.clamp_min(1e-8).sqrt(), 0.0)
