"""The three tables of features: per frame, per run, and aggregated over frames and realizations.

Aggregated columns of a per-frame feature f(m, t): over time its ``mean``, its ``std`` and its ``change`` (mean of the
last less that of the first quarter), each averaged over realizations, and the ``spread`` (standard deviation) over
realizations of the mean over time. Of a per-run feature f(m): its ``mean`` over realizations. Its standard deviation is
left to the table of runs: from three realizations it says little of the operator (docs/features.md).

Letters: ``B`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points, ``R`` = B M runs,
``D1``, ``D2``, ``D`` columns of the three tables.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

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
from spinlock.features.run import Probes, Run

VERSION = 1
"""Of the definitions: another number means that features of the same name are not the same."""

FRAME_GROUPS = {"spatial": spatial, "spectral": spectral, "cross_channel": cross_channel}
RUN_GROUPS = {
    "temporal": temporal,
    "causality": causality,
    "invariant_drift": invariant_drift,
    "sensitivity": sensitivity,
    "nonlinear": nonlinear,
}
PROBED = "sensitivity"
"""The group that needs the operator itself, and is left out where only its runs are at hand."""

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
    """``per_timestep`` [B, T, D1], ``per_trajectory`` [B, M, D2], ``aggregated`` [B, D]; float32, finite."""

    per_timestep: Tensor
    per_trajectory: Tensor
    aggregated: Tensor


def feature_names(*, with_probes: bool) -> FeatureNames:
    """The columns of :func:`extract`, with or without the group that needs probes."""
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
    """Features of B operators from ``frames`` [B, M, T, C, H, W] and the probes of their R = B M runs."""
    size = frames.shape[:2]
    run = Run(frames.flatten(0, 1), probes)
    per_frame = torch.cat([module.compute(run) for module in FRAME_GROUPS.values()], -1)
    groups = [module for group, module in RUN_GROUPS.items() if probes is not None or group != PROBED]
    per_run = torch.cat([module.compute(run) for module in groups], -1)
    per_frame, per_run = per_frame.view(*size, *per_frame.shape[1:]), per_run.view(*size, *per_run.shape[1:])
    return FeatureTables(per_frame.mean(1), per_run, aggregate(per_frame, per_run))


def aggregate(per_frame: Tensor, per_run: Tensor) -> Tensor:
    """Statistics [B, D] of per-frame features [B, M, T, D1] and per-run features [B, M, D2]."""
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
