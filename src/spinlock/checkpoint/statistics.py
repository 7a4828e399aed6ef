"""Location and scale of the columns of each category, for checkpoints and ``normalization_stats.npz``.

They are those that the normalization applies: mean and standard deviation (``standard``), or median and IQR / 1.349
(``robust``). A normalization z = f(x) that is not linear (``rank_gauss``, and heavy-tailed columns of ``auto``) has no
single scale; see :class:`~spinlock.preprocessing.knots.ColumnScales`.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from spinlock.model import ModelSpec
from spinlock.preprocessing.cleaning import Cleaner

Statistics = dict[str, dict[str, NDArray[np.float64]]]
"""Arrays ``mean`` and ``std`` of the columns of each category, by its name."""


def category_statistics(spec: ModelSpec, cleaner: Cleaner) -> Statistics:
    """Return the location (``mean``) and the scale (``std``) that are applied to the columns of each category."""
    scales = cleaner.normalizer.scales()
    return _by_category(spec, scales.center, scales.scale)


def earlier_category_statistics(spec: ModelSpec, cleaner: Cleaner) -> Statistics:
    """Return the statistics of earlier versions, which stored mean and standard deviation for every normalization."""
    return _by_category(spec, cleaner.mean, cleaner.std)


def _by_category(spec: ModelSpec, center: NDArray[np.float64], scale: NDArray[np.float64]) -> Statistics:
    groups = {name: list(group) for name, group in zip(spec.category_names, spec.groups, strict=True)}
    return {name: {"mean": center[group], "std": scale[group]} for name, group in groups.items()}


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
