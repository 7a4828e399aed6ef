"""The nonlinear group: the shape of a run in the space of fields, d(t, t') = |u(t) - u(t')| / sqrt(2 <|u - <u>|^2>).

So the root mean square of all d is 1. Correlation dimension is Takens' estimate (1985) from the nearest tenth of the
pairs, D = 1 / <log(r / d)> with r the largest of their distances; sample entropy is that of Richman and Moorman (2000),
pooled over the points. What grows as T^2 is computed from at most :data:`FRAMES` frames, every n-th one. Distances
below :data:`NEAREST` are float32's noise.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames (after subsampling), ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features import recurrence
from spinlock.features.run import Run
from spinlock.features.signals import FLOOR, frame_times, level, moving_points, positive, standardized

FRAMES = 128
NEAREST = 3e-3
WIGGLE = 1e-4
"""Of the variance of a run: what a straight drift leaves has to be this much to have a dimension."""


FEATURES: dict[str, str] = {
    **recurrence.FEATURES,
    "correlation_dimension": "log(1 + D), D at most 1000; 0 to 6.9; 0 where a tenth of the pairs are equal",
    "trajectory_dimension": "log of the participation ratio of the variances along the principal axes; 0 to log T",
    "drift_r2": "share of the variance of u over time that a straight drift explains; 0 to 1; 0 where nothing moves",
    "detrended_dimension": "trajectory dimension of what that drift leaves; 0 to log T",
    "path_length": "log of the way from frame to frame over the largest distance; 0 (straight) to log T",
    "displacement": "distance of the last from the first frame over the largest distance; 0 (back again) to 1",
    "return_distance": "mean over frames of the distance to the nearest one a quarter of the run later or more; "
    "0 (repeats itself) to about 2",
    "neighbor_divergence": "mean log rate at which nearest neighbors a quarter of the run apart move away from each "
    "other in the next frame (Rosenstein et al. 1993); 1/frame; -8 to 8; 0 where all repeats exactly",
    "sample_entropy": "log of the number of pairs of stretches alike in 2 steps over those alike in 3, of the points' "
    "increments, within 0.2 of their rms; 0 where nothing moves, 2.2 for independent increments",
}

TOLERANCE = 0.2


def compute(run: Run) -> Tensor:
    """[R, F]."""
    stride = -(-run.frames.shape[1] // FRAMES)
    squares = squared_distances(run.frames[:, ::stride], level(run))
    distance = squares.sqrt()
    columns = [
        *recurrence.quantify(distance),
        correlation_dimension(distance),
        *_dimensions(squares),
        *_way(distance),
        *_neighbors(distance, stride),
        sample_entropy(standardized(moving_points(run)[..., ::stride].diff(dim=-1))),
    ]
    return torch.stack(columns, -1)


def squared_distances(frames: Tensor, size: Tensor) -> Tensor:
    """d^2 [R, T, T] between frames [R, T, C, H, W] of levels ``size`` [R, C]; all 0 for a run that stands still.

    Centered over time first: |a|^2 + |b|^2 - 2 a b would lose in float32 what little moves before a large background.
    """
    grams = []
    for fields in frames.flatten(2):
        moving = fields - fields.mean(0)
        grams.append(moving @ moving.T)
    gram = torch.stack(grams)
    own = gram.diagonal(dim1=-2, dim2=-1)
    spread = own.mean(-1)
    still = spread <= FLOOR**2 * frames[0, 0, 0].numel() * size.square().sum(-1)
    squares = (own[:, :, None] + own[:, None] - 2 * gram) / positive(2 * spread)[:, None, None]
    squares = torch.where(squares > NEAREST**2, squares, 0.0)
    squares.diagonal(dim1=-2, dim2=-1).zero_()
    return torch.where(still[:, None, None], 0.0, squares)


def correlation_dimension(distance: Tensor) -> Tensor:
    """log(1 + D) with Takens' D, [R], from the nearest tenth of the pairs."""
    frames = distance.shape[-1]
    first, second = torch.triu_indices(frames, frames, recurrence.THEILER, device=distance.device)
    pairs = distance[:, first, second]
    if pairs.shape[-1] == 0:
        return distance.new_zeros(len(distance))
    reach = recurrence.reach(pairs)[:, None]
    near = pairs <= reach
    depth = ((reach.clamp_min(NEAREST) / pairs.clamp_min(NEAREST)).log() * near).sum(-1) / near.sum(-1)
    return torch.where(reach[:, 0] > NEAREST, 1 + 1 / depth.clamp_min(1e-3), 1.0).log()


def _dimensions(squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Trajectory dimension, drift R^2 and detrended dimension, [R] each.

    Means and straight lines over time are taken away from G = -d^2 / 2, rows and columns, as they would be from u.
    """
    time = frame_times(squares).double()
    moving = _without(-0.5 * squares.double(), torch.ones_like(time))
    rest = _without(moving, time)
    total, left = (gram.diagonal(dim1=-2, dim2=-1).sum(-1) for gram in (moving, rest))
    moves, wiggles = total > 0, left > WIGGLE * total
    values = (
        torch.where(moves, participation(moving), 0.0),
        torch.where(moves, (1 - left / positive(total)).clamp(0, 1), 0.0),
        torch.where(wiggles, participation(rest), 0.0),
    )
    first, second, third = (value.to(squares.dtype) for value in values)
    return first, second, third


def _without(gram: Tensor, course: Tensor) -> Tensor:
    """Q G Q [R, T, T] with Q = I - c c^T / |c|^2 for a course c [T] in time; G itself for c = 0."""
    unit = course / positive(torch.linalg.vector_norm(course))
    gram = gram - (gram @ unit)[..., None] * unit
    return gram - unit[:, None] * (unit @ gram)[..., None, :]


def participation(gram: Tensor) -> Tensor:
    """log((tr G)^2 / tr(G^2)) [R]: the log of the number of axes, if all had the same variance."""
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (trace.square() / positive(gram.square().sum((-2, -1)))).clamp_min(1).log()


def _way(distance: Tensor) -> tuple[Tensor, Tensor]:
    """Path length and displacement, [R] each."""
    largest = positive(distance.amax((-2, -1)))
    path = distance.diagonal(1, -2, -1).sum(-1) / largest
    return path.clamp_min(1).log(), distance[:, 0, -1] / largest


def _neighbors(distance: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return distance and neighbor divergence, [R] each; 0 for runs too short to return."""
    frames = distance.shape[-1]
    gap = max(frames // 4, recurrence.THEILER)
    nothing = distance.new_zeros(len(distance))
    if frames <= gap + 1:
        return nothing, nothing
    time = torch.arange(frames, device=distance.device)
    later = time - time[:, None] >= gap
    returning = distance.masked_fill(~later, math.inf)[:, : frames - gap].amin(-1).mean(-1)

    near = later[:-1, :-1] | later[:-1, :-1].T
    nearest = distance[:, :-1, :-1].masked_fill(~near, math.inf).min(-1)
    after = distance[:, 1:, 1:].gather(-1, nearest.indices[..., None]).squeeze(-1)
    distinct = near.any(-1) & (nearest.values > NEAREST)  # what repeats exactly cannot be told to diverge
    rate = torch.where(distinct, (after.clamp_min(NEAREST) / nearest.values).log(), 0.0)
    return returning, rate.sum(-1) / distinct.sum(-1).clamp_min(1) / stride


def sample_entropy(signal: Tensor) -> Tensor:
    """log(B / A) [R] of standardized signals [R, C, P, T]: pairs alike in 2 and in 3 frames, counted over points."""
    frames = signal.shape[-1]
    if frames < 4:
        return signal.new_zeros(len(signal))
    moves = signal.abs().amax((1, 2, 3)) > 0
    first, second = torch.triu_indices(frames - 2, frames - 2, 1, device=signal.device)
    found = []
    for points in signal.flatten(1, 2):  # run by run: pairs of all of them would not fit a cache
        alike = [(points[:, first + lag] - points[:, second + lag]).abs() <= TOLERANCE for lag in range(3)]
        both = alike[0] & alike[1]
        found.append(torch.stack([both.sum(), (both & alike[2]).sum()]))
    two, three = torch.stack(found).double().unbind(-1)
    entropy = (two.clamp_min(1) / three.clamp_min(1)).log().to(signal.dtype)
    return torch.where(moves, entropy, 0.0)
