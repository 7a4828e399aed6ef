"""Rows of features from the two halves of the realizations of each operator.

Letters: ``m`` operators, ``M`` realizations, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.stability.section import RealizationHalves
from spinlock.io.arrays.row_precision import RawRows

TOLERANCE = 1e-3
"""Tolerance of the comparison of a column with the mean over the realizations, relative to the value and to the
standard deviation of the column."""


def halves_of_realizations(realizations: RawRows) -> RealizationHalves:
    """Return the means over each half of the realizations, which are encoded as if they were single realizations.

    Parameters
    ----------
    realizations
        Features [m, M, D] with M >= 2.
    """
    count = realizations.shape[1]
    first, second = (half.mean(1) for half in np.split(realizations, [count // 2], axis=1))
    return RealizationHalves(first, second, count, realizations.shape[2])


def halves_of_aggregates(
    raw: RawRows, names: Sequence[str], realizations: NDArray[Any], realization_names: Sequence[str]
) -> RealizationHalves | None:
    """Return rows whose columns that are means over realizations are replaced by the means over one half.

    A column is such a mean if the realizations have a column of its name, or of its name without ``.mean``, whose mean
    equals it. The other columns, such as spreads over realizations, are the same in both halves.

    Parameters
    ----------
    raw
        Aggregated features [m, D].
    names
        Names [D].
    realizations
        Features [m, M, .] of the single realizations of the same operators, with M >= 2.
    realization_names
        Their names.

    Returns
    -------
    RealizationHalves or None
        None if no column is such a mean.
    """
    position = {name: j for j, name in enumerate(realization_names)}
    count = realizations.shape[1]
    first, second, replaced = raw.copy(), raw.copy(), 0
    for j, name in enumerate(names):
        source = position.get(name, position.get(name.removesuffix(".mean")))
        if source is None:
            continue
        values = realizations[:, :, source].astype(np.float64)
        spread = float(np.nanstd(raw[:, j]))
        if not np.allclose(values.mean(1), raw[:, j], rtol=TOLERANCE, atol=TOLERANCE * spread, equal_nan=True):
            continue
        first[:, j], second[:, j] = (half.mean(1) for half in np.split(values, [count // 2], axis=1))
        replaced += 1
    return RealizationHalves(first, second, count, replaced) if replaced else None
