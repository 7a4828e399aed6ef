"""Distribution functions of the columns on training rows, for the rank quality.

Letters: ``n`` rows, ``D`` columns, ``U`` kept columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.io.arrays.row_precision import RawRows
from spinlock.metrics.ranks import distribution_function
from spinlock.preprocessing.column_statistics import sorted_finite_cells, with_imputed_cells
from spinlock.preprocessing.knots import Knots

Floats = NDArray[np.float64]

MAX_STEPS = 256
"""Maximum number of steps of a stored distribution function. It limits the size of a checkpoint; the error is below
1/128."""


def fit_ranks(x_train: RawRows, kept: NDArray[np.int64], median: Floats) -> Knots:
    """Return the distribution functions of the kept columns, whose values are not clipped.

    Parameters
    ----------
    x_train
        Raw training rows [n, D].
    kept
        Positions [U] of the kept columns.
    median
        Median [D] of the finite cells; the missing cells are replaced by it.

    Returns
    -------
    Knots
        Functions of the U columns.
    """
    cells = sorted_finite_cells(x_train, kept)
    imputed = (with_imputed_cells(finite, len(x_train), float(median[column])) for column, finite in cells)
    return Knots.of_curves([distribution_function(column, MAX_STEPS) for column in imputed])
