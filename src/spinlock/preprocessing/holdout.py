"""Hold-out of a tenth of the training rows, on which categories, codebook sizes and the ridge strength are selected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOLDOUT_FRACTION = 0.1


@dataclass(frozen=True)
class Holdout:
    """Sorted indices of training rows: ``fit`` for the rows that are fitted, ``held_out`` for the others."""

    fit: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split_holdout(units: NDArray[np.int64], seed: int) -> Holdout:
    """Hold out the rows of a random tenth of the units, at least of one unit.

    Parameters
    ----------
    units
        Operator or group [n] of each training row. All rows of a unit are on the same side.
    seed
        Seed of the random selection.

    Returns
    -------
    Holdout
    """
    distinct = np.unique(units)
    order = np.random.default_rng([seed, 1]).permutation(distinct)
    held_out = np.isin(units, order[: max(1, round(HOLDOUT_FRACTION * len(distinct)))])
    return Holdout(np.flatnonzero(~held_out), np.flatnonzero(held_out))
