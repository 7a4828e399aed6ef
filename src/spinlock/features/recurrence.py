"""Recurrence quantification of a run: R(t, t') = 1 where its states at t and t' are similar.

The recurrence rate is the fraction of pairs (t, t') with a distance below :data:`THRESHOLD`. The lines of the
recurrence plot (Eckmann et al. 1987; Zbilut and Webber 1992) are counted in another matrix, in which the nearest
tenth of the pairs (:data:`NEIGHBOR_FRACTION`) is 1, so that lines do not depend on the recurrence rate (Marwan
et al. 2007). A diagonal line means that two parts of the run evolve similarly, and a vertical line means that the state
does not change. Pairs closer in time than :data:`THEILER` frames are excluded, because they are similar by continuity.
For a stationary run the rate, the determinism and the line lengths have their maximum. For T < 3 all features are 0.
These features are part of the nonlinear group.

Letters: ``R`` runs, ``T`` frames (after subsampling), ``F`` features.
"""

import math

import torch
from torch import Tensor

THRESHOLD = 0.3
"""States closer than this are recurrent, in units of the root mean square distance between the frames of the run."""

NEIGHBOR_FRACTION = 0.1
"""Fraction of the pairs of frames, with the smallest distances, in which lines are counted."""

TIE = 1 + 1e-3
"""Distances up to this ratio count as equal, so that rounding does not select between pairs of equal distance."""

THEILER = 2
"""Minimum distance in time between the frames of a pair (Theiler window)."""

MIN_LINE = 3
"""Minimum number of points of a line."""

FEATURES = {
    "recurrence_rate": "fraction of the pairs of frames, two or more frames apart, with a distance below 0.3 times the "
    "rms distance; 0 to 1",
    "determinism": "fraction of the nearest tenth of pairs on diagonal lines of three or more pairs; 0 to 1",
    "laminarity": "fraction of the nearest tenth of pairs on vertical lines of three or more pairs; 0 to 1",
    "mean_diagonal": "log of the mean length of diagonal lines (1 or more); 0 to log T",
    "longest_diagonal": "log(1 + length of the longest diagonal line) over log(1 + maximum possible length); 0 to 1",
    "trapping_time": "log of the mean length of vertical lines (1 or more); 0 to log T",
    "recurrence_trend": "correlation between the lag and the fraction of its pairs among the nearest tenth; -1 "
    "(drift) to 1",
}


def quantify(distance: Tensor) -> list[Tensor]:
    """Return the features, [R] each, from distances [R, T, T] in units of their root mean square."""
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
    """Return the diagonals as rows, [R, L, T]: entry (l, t) is the pair (t, t + l + THEILER), False beyond the end."""
    frames = similar.shape[-1]
    time = torch.arange(frames, device=similar.device)
    later = time[THEILER:, None] + time  # [L, T]
    by_time = similar.gather(-1, later.T.clamp_max(frames - 1).expand(len(similar), -1, -1))  # (t, l)
    return by_time.transpose(-2, -1) & (later < frames)


def _line_lengths(similar: Tensor) -> Tensor:
    """Return the length of each line along the last axis at its last point, and 0 elsewhere, [..., T]."""
    position = torch.arange(similar.shape[-1], device=similar.device)
    length = position - torch.where(similar, -1, position).cummax(-1).values
    is_end = similar & ~torch.nn.functional.pad(similar[..., 1:], (0, 1))
    return torch.where(is_end, length, 0)


def _fraction_on_lines(length: Tensor) -> Tensor:
    """Return the fraction of the points that are on lines with at least :data:`MIN_LINE` points, [R]."""
    on_lines = torch.where(length >= MIN_LINE, length, 0).sum((-2, -1))
    return on_lines / length.sum((-2, -1)).clamp_min(1)


def _mean_length(length: Tensor) -> Tensor:
    """Return the log of the mean length of all lines, [R]."""
    lines = (length > 0).sum((-2, -1)).clamp_min(1)
    return (length.sum((-2, -1)) / lines).clamp_min(1).log()


def _trend(diagonals: Tensor) -> Tensor:
    """Return the correlation of the lag with its fraction of similar pairs, [R], weighted by the pairs of each lag."""
    lags = diagonals.shape[-2]
    lag = torch.arange(lags, dtype=torch.float32, device=diagonals.device)
    pairs = lags - lag
    weight = pairs / pairs.sum()
    fraction = diagonals.sum(-1) / pairs
    lag = lag - (weight * lag).sum()
    fraction = fraction - (weight * fraction).sum(-1, keepdim=True)
    product = (weight * lag.square()).sum() * (weight * fraction.square()).sum(-1)
    return torch.where(product > 1e-8, (weight * lag * fraction).sum(-1) / product.clamp_min(1e-8).sqrt(), 0.0)
