"""Mean and standard deviation of the columns of each category, for checkpoints and ``normalization_stats.npz``."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from spinlock.model import ModelSpec
from spinlock.preprocessing.cleaning import Cleaner


def category_statistics(spec: ModelSpec, cleaner: Cleaner) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return ``mean`` and ``std`` of the columns of each category by its name, after imputing and clipping."""
    return {
        name: {"mean": cleaner.mean[list(group)], "std": cleaner.std[list(group)]}
        for name, group in zip(spec.category_names, spec.groups, strict=True)
    }


def statistics_file(spec: ModelSpec, cleaner: Cleaner) -> bytes:
    """Return the content of ``normalization_stats.npz``: arrays ``<category>_mean`` and ``<category>_std``."""
    arrays = {
        f"{name}_{key}": values
        for name, statistics in category_statistics(spec, cleaner).items()
        for key, values in statistics.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
