"""The inner hold-out: a tenth of the training rows, on which everything is chosen that is chosen by quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRACTION = 0.1


@dataclass(frozen=True)
class Holdout:
    """Positions among the training rows, sorted: those fitted on and those held out."""

    fit: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split_holdout(units: NDArray[np.int64], seed: int) -> Holdout:
    """A tenth of the units (operators or groups) of the training rows, ``units`` [n] naming each row's own.

    Rows of one unit stay on one side, as in the outer split.
    """
    distinct = np.unique(units)
    order = np.random.default_rng([seed, 1]).permutation(distinct)
    held_out = np.isin(units, order[: max(1, round(FRACTION * len(distinct)))])
    return Holdout(np.flatnonzero(~held_out), np.flatnonzero(held_out))
