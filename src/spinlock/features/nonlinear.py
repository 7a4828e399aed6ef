"""The nonlinear group: geometry of a run in the space of fields, d(t, t') = |u(t) - u(t')| / sqrt(2 <|u - <u>|^2>).

With this normalization the root mean square of all d is 1. The correlation dimension is the estimate of Takens (1985)
from the nearest tenth of the pairs, D = 1 / <log(r / d)> with their largest distance r. Sample entropy is defined by
Richman and Moorman (2000); the pairs of all points are counted together. Quantities with a cost of T^2 use at most
:data:`MAX_FRAMES` evenly spaced frames. Distances below :data:`MIN_DISTANCE` are rounding noise of float32.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames (after subsampling), ``F`` features.
"""

import math

import torch
from torch import Tensor

from spinlock.features import recurrence
from spinlock.features.run import Run
from spinlock.features.signals import NOISE_FLOOR, frame_times, point_fluctuations, run_rms, safe_divisor, standardized

MAX_FRAMES = 128
"""Maximum number of frames for quantities that compare all pairs of frames."""

MIN_DISTANCE = 3e-3
"""Distances below this are rounding noise."""

MIN_RESIDUAL = 1e-4
"""The detrended dimension is computed if the linear drift leaves at least this fraction of the variance of a run."""

TOLERANCE = 0.2
"""Two increments are similar in the sample entropy if they differ by at most this, in units of their rms."""

FEATURES: dict[str, str] = {
    **recurrence.FEATURES,
    "correlation_dimension": "log(1 + D) with D of at most 1000; 0 to 6.9; 0 if a tenth of the pairs are equal",
    "trajectory_dimension": "log of the participation ratio of the variances along the principal axes of the "
    "run; 0 to log T",
    "drift_r2": "fraction of the variance of u over time that a linear drift explains; 0 to 1; 0 for a stationary run",
    "detrended_dimension": "trajectory dimension after subtraction of that drift; 0 to log T",
    "path_length": "log of the summed distance between successive frames over the largest distance; 0 (straight) to "
    "log T",
    "displacement": "distance of the last from the first frame over the largest distance; 0 (closed) to 1",
    "return_distance": "mean over frames of the distance to the nearest frame a quarter of the run later or more; "
    "0 (periodic) to about 2",
    "neighbor_divergence": "mean log rate at which nearest neighbors a quarter of the run apart diverge in the next "
    "frame (Rosenstein et al. 1993); 1/frame; -8 to 8; 0 for exact repetition",
    "sample_entropy": "log of the number of pairs of sequences of increments of the points that are similar in 2 steps "
    "over those similar in 3, within 0.2 of their rms; 0 for a stationary run, 2.2 for independent increments",
}


def compute(run: Run) -> Tensor:
    """Return the features, [R, F]."""
    stride = -(-run.frames.shape[1] // MAX_FRAMES)
    squares = squared_distances(run.frames[:, ::stride], run_rms(run))
    distance = squares.sqrt()
    columns = [
        *recurrence.quantify(distance),
        correlation_dimension(distance),
        *_dimensions(squares),
        *_path(distance),
        *_neighbors(distance, stride),
        sample_entropy(standardized(point_fluctuations(run)[..., ::stride].diff(dim=-1))),
    ]
    return torch.stack(columns, -1)


def squared_distances(frames: Tensor, rms: Tensor) -> Tensor:
    """Return d^2 between all pairs of frames, [R, T, T]; it is 0 for a stationary run.

    The frames are centered over time, because |a|^2 + |b|^2 - 2 a b is inaccurate for small changes of a large field.

    Parameters
    ----------
    frames
        [R, T, C, H, W].
    rms
        Root mean square of each channel over the run, [R, C].
    """
    grams = []
    for fields in frames.flatten(2):
        fluctuation = fields - fields.mean(0)
        grams.append(fluctuation @ fluctuation.T)
    gram = torch.stack(grams)
    norms = gram.diagonal(dim1=-2, dim2=-1)
    spread = norms.mean(-1)
    is_stationary = spread <= NOISE_FLOOR**2 * frames[0, 0, 0].numel() * rms.square().sum(-1)
    squares = (norms[:, :, None] + norms[:, None] - 2 * gram) / safe_divisor(2 * spread)[:, None, None]
    squares = torch.where(squares > MIN_DISTANCE**2, squares, 0.0)
    squares.diagonal(dim1=-2, dim2=-1).zero_()
    return torch.where(is_stationary[:, None, None], 0.0, squares)


def correlation_dimension(distance: Tensor) -> Tensor:
    """Return log(1 + D), [R], with Takens' estimate D from the nearest tenth of the pairs of ``distance`` [R, T, T]."""
    frames = distance.shape[-1]
    first, second = torch.triu_indices(frames, frames, recurrence.THEILER, device=distance.device)
    pairs = distance[:, first, second]
    if pairs.shape[-1] == 0:
        return distance.new_zeros(len(distance))
    radius = recurrence.neighbor_radius(pairs)[:, None]
    is_near = pairs <= radius
    logs = (radius.clamp_min(MIN_DISTANCE) / pairs.clamp_min(MIN_DISTANCE)).log()
    depth = (logs * is_near).sum(-1) / is_near.sum(-1)
    return torch.where(radius[:, 0] > MIN_DISTANCE, 1 + 1 / depth.clamp_min(1e-3), 1.0).log()


def _dimensions(squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the trajectory dimension, the R^2 of the drift and the detrended dimension, [R] each.

    G = -d^2 / 2 is a Gram matrix of u up to the mean. Subtracting the mean and the linear drift from u is the same as
    projecting them out of the rows and columns of G.
    """
    time = frame_times(squares).double()
    fluctuation = _project_out(-0.5 * squares.double(), torch.ones_like(time))
    residual = _project_out(fluctuation, time)
    total, remaining = (gram.diagonal(dim1=-2, dim2=-1).sum(-1) for gram in (fluctuation, residual))
    is_varying, has_residual = total > 0, remaining > MIN_RESIDUAL * total
    values = (
        torch.where(is_varying, log_participation(fluctuation), 0.0),
        torch.where(is_varying, (1 - remaining / safe_divisor(total)).clamp(0, 1), 0.0),
        torch.where(has_residual, log_participation(residual), 0.0),
    )
    first, second, third = (value.to(squares.dtype) for value in values)
    return first, second, third


def _project_out(gram: Tensor, course: Tensor) -> Tensor:
    """Return Q G Q [R, T, T] with Q = I - c c^T / |c|^2 for a time course c [T], or G if c = 0."""
    unit = course / safe_divisor(torch.linalg.vector_norm(course))
    gram = gram - (gram @ unit)[..., None] * unit
    return gram - unit[:, None] * (unit @ gram)[..., None, :]


def log_participation(gram: Tensor) -> Tensor:
    """Return log((tr G)^2 / tr(G^2)), [R]; for n axes of equal variance it is log n."""
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (trace.square() / safe_divisor(gram.square().sum((-2, -1)))).clamp_min(1).log()


def _path(distance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the path length and the displacement, [R] each."""
    largest = safe_divisor(distance.amax((-2, -1)))
    path = distance.diagonal(1, -2, -1).sum(-1) / largest
    return path.clamp_min(1).log(), distance[:, 0, -1] / largest


def _neighbors(distance: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return the return distance and the neighbor divergence, [R] each; both are 0 for runs that are too short."""
    frames = distance.shape[-1]
    gap = max(frames // 4, recurrence.THEILER)
    zero = distance.new_zeros(len(distance))
    if frames <= gap + 1:
        return zero, zero
    time = torch.arange(frames, device=distance.device)
    later = time - time[:, None] >= gap
    return_distance = distance.masked_fill(~later, math.inf)[:, : frames - gap].amin(-1).mean(-1)

    is_apart = later[:-1, :-1] | later[:-1, :-1].T
    nearest = distance[:, :-1, :-1].masked_fill(~is_apart, math.inf).min(-1)
    following = distance[:, 1:, 1:].gather(-1, nearest.indices[..., None]).squeeze(-1)
    is_distinct = is_apart.any(-1) & (nearest.values > MIN_DISTANCE)  # equal states have no defined divergence
    rate = torch.where(is_distinct, (following.clamp_min(MIN_DISTANCE) / nearest.values).log(), 0.0)
    return return_distance, rate.sum(-1) / is_distinct.sum(-1).clamp_min(1) / stride


def sample_entropy(signal: Tensor) -> Tensor:
    """Return the sample entropy log(B / A), [R]; B and A count the pairs that are similar in 2 and in 3 frames.

    Parameters
    ----------
    signal
        Standardized signals [R, C, P, T].
    """
    frames = signal.shape[-1]
    if frames < 4:
        return signal.new_zeros(len(signal))
    is_varying = signal.abs().amax((1, 2, 3)) > 0
    first, second = torch.triu_indices(frames - 2, frames - 2, 1, device=signal.device)
    counts = []
    for points in signal.flatten(1, 2):  # one run at a time, so that the pairs fit the processor's cache
        similar = [(points[:, first + lag] - points[:, second + lag]).abs() <= TOLERANCE for lag in range(3)]
        both = similar[0] & similar[1]
        counts.append(torch.stack([both.sum(), (both & similar[2]).sum()]))
    two, three = torch.stack(counts).double().unbind(-1)
    entropy = (two.clamp_min(1) / three.clamp_min(1)).log().to(signal.dtype)
    return torch.where(is_varying, entropy, 0.0)
