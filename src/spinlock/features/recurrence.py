"""Recurrence quantification of a run: R(t, t') = 1 where its states are alike.

The recurrence rate counts the pairs nearer than :data:`ALIKE`. Lines are looked for among the nearest tenth of the
pairs (:data:`SHARE`; a fixed rate, Marwan et al. 2007), so that they tell something else than the rate: diagonals
(stretches that run alike) and verticals (stretches that stand still) of the recurrence plot (Eckmann et al. 1987;
Zbilut and Webber 1992). Frames closer than :data:`THEILER` in time are alike because they are neighbors, and are left
out. A run that stands still recurs everywhere: rate, determinism and lengths are at their largest; with T < 3 all
features are 0. Part of the nonlinear group.

Letters: ``R`` runs, ``T`` frames (after subsampling), ``F`` features.
"""

import math

import torch
from torch import Tensor

ALIKE = 0.3
"""Distance over the root mean square distance of the run's frames."""

SHARE = 0.1
"""Of the pairs, the nearest, in which lines are looked for."""

TIE = 1 + 1e-3
"""Distances this close are equal: rounding must not say which points of a line are among the nearest."""

THEILER = 2
LINE = 3
"""Fewest points of a line."""

FEATURES = {
    "recurrence_rate": "share of pairs of frames, two or more apart, within 0.3 rms distances of each other; 0 to 1",
    "determinism": "share of the nearest tenth of pairs on diagonals of three or more; 0 to 1",
    "laminarity": "share of the nearest tenth of pairs on verticals of three or more; 0 to 1",
    "mean_diagonal": "log of the mean length of diagonals (1 or more); 0 to log T",
    "longest_diagonal": "log(1 + length of the longest) over log(1 + the longest possible); 0 to 1",
    "trapping_time": "log of the mean length of verticals (1 or more); 0 to log T",
    "recurrence_trend": "correlation of the lag with the share of pairs among the nearest tenth; -1 (drifting) to 1",
}


def quantify(distance: Tensor) -> list[Tensor]:
    """The features, [R] each, from normalized distances [R, T, T]."""
    frames = distance.shape[-1]
    if frames <= THEILER:
        return [distance.new_zeros(len(distance))] * len(FEATURES)
    time = torch.arange(frames, device=distance.device)
    apart = (time[:, None] - time).abs() >= THEILER
    pairs = int(apart.sum())
    rate = ((distance < ALIKE) & apart).sum((-2, -1)) / pairs
    alike = (distance <= TIE * reach(distance[:, apart])[:, None, None]) & apart
    diagonals = _by_lag(alike)
    diagonal, vertical = _line_lengths(diagonals), _line_lengths(alike)
    return [
        rate,
        _share_on_lines(diagonal),
        _share_on_lines(vertical),
        _mean_length(diagonal),
        (1 + diagonal.amax((-2, -1)).float()).log() / math.log(1 + frames - THEILER),
        _mean_length(vertical),
        _trend(diagonals),
    ]


def reach(pairs: Tensor) -> Tensor:
    """Largest distance [R] of the nearest tenth of all pairs [R, pairs]."""
    return pairs.kthvalue(math.ceil(SHARE * pairs.shape[-1])).values


def _by_lag(alike: Tensor) -> Tensor:
    """Diagonals as rows: [R, L, T] with (l, t) at (t, t + l + THEILER), False beyond the end."""
    frames = alike.shape[-1]
    time = torch.arange(frames, device=alike.device)
    later = time[THEILER:, None] + time  # [L, T]
    found = alike.gather(-1, later.T.clamp_max(frames - 1).expand(len(alike), -1, -1))  # (t, l)
    return found.transpose(-2, -1) & (later < frames)


def _line_lengths(alike: Tensor) -> Tensor:
    """Length [..., T] of each unbroken stretch along the last axis where it ends, 0 elsewhere."""
    place = torch.arange(alike.shape[-1], device=alike.device)
    length = place - torch.where(alike, -1, place).cummax(-1).values
    ends = alike & ~torch.nn.functional.pad(alike[..., 1:], (0, 1))
    return torch.where(ends, length, 0)


def _share_on_lines(length: Tensor) -> Tensor:
    on_lines = torch.where(length >= LINE, length, 0).sum((-2, -1))
    return on_lines / length.sum((-2, -1)).clamp_min(1)


def _mean_length(length: Tensor) -> Tensor:
    lines = (length > 0).sum((-2, -1)).clamp_min(1)
    return (length.sum((-2, -1)) / lines).clamp_min(1).log()


def _trend(diagonals: Tensor) -> Tensor:
    """Correlation of lag and share alike, each lag weighted by its number of pairs; 0 where the share is constant."""
    lags = diagonals.shape[-2]
    lag = torch.arange(lags, dtype=torch.float32, device=diagonals.device)
    pairs = lags - lag
    weight = pairs / pairs.sum()
    share = diagonals.sum(-1) / pairs
    lag = lag - (weight * lag).sum()
    share = share - (weight * share).sum(-1, keepdim=True)
    product = (weight * lag.square()).sum() * (weight * share.square()).sum(-1)
    return torch.where(product > 1e-8, (weight * lag * share).sum(-1) / product.clamp_min(1e-8).sqrt(), 0.0)
