"""Reconstruction quality: the fraction of variance explained, 1 - sum (x - x^)^2 / sum (x - mean_train)^2.

Rows are z-scored, clipped units, whatever the model's normalization, so that mean_train is 0 and every column starts
with about the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fraction_explained(error: Floats, power: Floats) -> float:
    """1 - sum error / sum power; 1 where there is neither, minus infinity where only the power vanishes."""
    total, lost = float(power.sum()), float(error.sum())
    if total > 0:
        return 1.0 - lost / total
    return 1.0 if lost == 0 else -np.inf


def squared_sums(rows: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Per column [D]: sum (x - x^)^2 and sum x^2 over rows [n, D], in float64."""
    difference = rows.astype(np.float64) - reconstruction
    return np.square(difference).sum(0), np.square(rows.astype(np.float64)).sum(0)


def quality_by_group(error: Floats, power: Floats, groups: Sequence[Sequence[int]]) -> list[float]:
    """Quality of each category from the sums of its own columns."""
    return [fraction_explained(error[list(group)], power[list(group)]) for group in groups]


def quality_by_column(error: Floats, power: Floats) -> list[float | None]:
    """Quality of each column [D]; None for a column that does not vary on these rows."""
    return [1.0 - e / p if p > 0 else None for e, p in zip(error.tolist(), power.tolist(), strict=True)]
