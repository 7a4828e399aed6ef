"""Extraction of all features: per frame, per run, and aggregated over frames and realizations.

A per-frame feature f(m, t) has four aggregated columns. ``mean``, ``std`` and ``change`` are the mean over time, the
standard deviation over time, and the mean of the last quarter of the frames minus that of the first quarter, each
averaged over realizations. ``spread`` is the standard deviation over realizations of the mean over time. A per-run
feature f(m) has one aggregated column, its ``mean`` over realizations. There is no column for its standard deviation
over realizations, because this is not reproducible with three realizations (docs/features.md).

Letters: ``B`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points, ``R`` = B M runs,
``D1``, ``D2``, ``D`` columns of the three tables.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.errors import DataError
from spinlock.features import (
    causality,
    cross_channel,
    invariant_drift,
    nonlinear,
    sensitivity,
    spatial,
    spectral,
    temporal,
)
from spinlock.features.run import MAX_SIZE, MIN_GRID, Probes, Run

VERSION = 3
"""Version of the features and rollouts; it increases when the values of an existing feature change.

Since version 2 an error estimate determines the number of integrator steps of each operator and frame. Since version 3
convolutions with large kernels are products of spectra, and the normalization of neural operators rounds differently.
The definitions of the features are those of version 1.
"""

FRAME_GROUPS = {"spatial": spatial, "spectral": spectral, "cross_channel": cross_channel}
RUN_GROUPS = {
    "temporal": temporal,
    "causality": causality,
    "invariant_drift": invariant_drift,
    "sensitivity": sensitivity,
    "nonlinear": nonlinear,
}
PROBED = "sensitivity"
"""The group that needs probe runs of the operator; it is left out if only frames are available."""

FRAME_STATISTICS = ("mean", "std", "change", "spread")
RUN_STATISTICS = ("mean",)


@dataclass(frozen=True)
class FeatureNames:
    """Column names of the three tables, ``<group>.<feature>`` and ``<group>.<feature>.<statistic>``."""

    per_timestep: tuple[str, ...]
    per_trajectory: tuple[str, ...]
    aggregated: tuple[str, ...]


@dataclass(frozen=True)
class FeatureTables:
    """Features of B operators: ``per_timestep`` [B, T, D1], ``per_trajectory`` [B, M, D2], ``aggregated`` [B, D]."""

    per_timestep: Tensor
    per_trajectory: Tensor
    aggregated: Tensor


def feature_names(*, with_probes: bool) -> FeatureNames:
    """Return the column names of the tables of :func:`extract`.

    Parameters
    ----------
    with_probes
        Whether the sensitivity group, which needs probe runs, is included.
    """
    frame = tuple(f"{group}.{name}" for group, module in FRAME_GROUPS.items() for name in module.FEATURES)
    run = tuple(
        f"{group}.{name}"
        for group, module in RUN_GROUPS.items()
        if with_probes or group != PROBED
        for name in module.FEATURES
    )
    aggregated = [f"{name}.{statistic}" for statistic in FRAME_STATISTICS for name in frame]
    aggregated += [f"{name}.{statistic}" for statistic in RUN_STATISTICS for name in run]
    return FeatureNames(frame, run, tuple(aggregated))


@torch.no_grad()
def extract(frames: Tensor, probes: Probes | None) -> FeatureTables:
    """Compute the features of B operators.

    Parameters
    ----------
    frames
        Frames of the rollouts, [B, M, T, C, H, W] float32.
    probes
        Probe runs of the R runs. If it is None, the sensitivity group is left out.

    Returns
    -------
    FeatureTables
        Tables of finite float32 values.
    """
    size = frames.shape[:2]
    run = Run(frames.flatten(0, 1), probes)
    per_frame = torch.cat([module.compute(run) for module in FRAME_GROUPS.values()], -1)
    groups = [module for group, module in RUN_GROUPS.items() if probes is not None or group != PROBED]
    per_run = torch.cat([module.compute(run) for module in groups], -1)
    per_frame, per_run = per_frame.view(*size, *per_frame.shape[1:]), per_run.view(*size, *per_run.shape[1:])
    return FeatureTables(per_frame.mean(1), per_run, aggregate(per_frame, per_run))


def aggregate(per_frame: Tensor, per_run: Tensor) -> Tensor:
    """Compute the aggregated columns.

    Parameters
    ----------
    per_frame
        Per-frame features, [B, M, T, D1].
    per_run
        Per-run features, [B, M, D2].

    Returns
    -------
    Tensor
        [B, D].
    """
    quarter = max(per_frame.shape[2] // 4, 1)
    over_time = per_frame.mean(2)
    change = per_frame[:, :, -quarter:].mean(2) - per_frame[:, :, :quarter].mean(2)
    columns = (
        over_time.mean(1),
        per_frame.std(2, correction=0).mean(1),
        change.mean(1),
        over_time.std(1, correction=0),
        per_run.mean(1),
    )
    return torch.cat(columns, -1)


def describe(frames: NDArray[Any] | Tensor) -> dict[str, float]:
    """Compute the aggregated features of one operator from its frames.

    Parameters
    ----------
    frames
        Frames of one run, [T, C, H, W], or of M realizations, [M, T, C, H, W]; an array or a tensor. The fields are
        periodic. One-dimensional fields have H = 1.

    Returns
    -------
    dict of str to float
        Value of each aggregated column, ``<group>.<feature>.<statistic>``. The sensitivity group is left out, because
        it needs probe runs of the operator. With one realization every ``spread`` is 0.

    Raises
    ------
    DataError
        The frames have a wrong shape or type, a grid that is too small, or values that are not finite or too large.
    """
    values = frames.detach() if isinstance(frames, Tensor) else np.asarray(frames)
    shape = tuple(values.shape)
    if len(shape) not in (4, 5) or 0 in shape:
        raise DataError(f"frames have the shape {list(shape)}", expected="[T, C, H, W] or [M, T, C, H, W]")
    axes = [size for size in shape[-2:] if size > 1] or [1]
    if min(axes) < MIN_GRID:
        raise DataError(
            f"a grid of {shape[-2]} x {shape[-1]} points is too small for the features",
            expected=f"{MIN_GRID} or more along each side",
        )
    is_real = not values.is_complex() if isinstance(values, Tensor) else values.dtype.kind in "fiub"
    if not is_real:
        raise DataError(f"frames have the type {values.dtype}", expected="real numbers")
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values, np.float32))
    tensor = tensor.to(torch.float32).reshape(1, -1, *shape[-4:])
    size = float(tensor.abs().max())
    if not size <= MAX_SIZE:
        raise DataError(f"the largest |u| is {size:.3g}", expected=f"finite values of at most {MAX_SIZE:g}")
    row = extract(tensor, None).aggregated[0].tolist()
    return dict(zip(feature_names(with_probes=False).aggregated, row, strict=True))
