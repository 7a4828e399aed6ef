"""Mean and standard deviation of the columns of each category, as stored in a checkpoint and beside it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from spinlock.model import ModelSpec
from spinlock.preprocessing.cleaning import Cleaner


def category_statistics(spec: ModelSpec, cleaner: Cleaner) -> dict[str, dict[str, NDArray[np.float64]]]:
    """{category: {"mean", "std"}} of the columns of each category, after imputing and clipping."""
    return {
        name: {"mean": cleaner.mean[list(group)], "std": cleaner.std[list(group)]}
        for name, group in zip(spec.category_names, spec.groups, strict=True)
    }


def statistics_file(spec: ModelSpec, cleaner: Cleaner) -> bytes:
    """The content of ``normalization_stats.npz``: ``<category>_mean`` and ``<category>_std``, a value per column."""
    arrays = {
        f"{name}_{key}": values
        for name, statistics in category_statistics(spec, cleaner).items()
        for key, values in statistics.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
