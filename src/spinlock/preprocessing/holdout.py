"""The hold-out: a tenth of the training rows, on which everything is chosen that is chosen by quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOLDOUT_FRACTION = 0.1


@dataclass(frozen=True)
class Holdout:
    """Sorted positions among the training rows: the rows that are fitted on and those that are held out."""

    fit: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split_holdout(units: NDArray[np.int64], seed: int) -> Holdout:
    """Hold out a tenth of the units of the training rows; the rows of one unit stay on one side.

    Parameters
    ----------
    units
        The operator or group [n] of each training row.
    seed
        Seed of the choice.
    """
    distinct = np.unique(units)
    order = np.random.default_rng([seed, 1]).permutation(distinct)
    held_out = np.isin(units, order[: max(1, round(HOLDOUT_FRACTION * len(distinct)))])
    return Holdout(np.flatnonzero(~held_out), np.flatnonzero(held_out))
