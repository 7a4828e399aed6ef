"""Validation rows that are copies of training rows: with them, the validation metrics are too good.

Letters: ``n`` training rows, ``m`` validation rows, ``D`` kept columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.isolation import isolated

MAX_COPIED_FRACTION = 0.01
"""Fraction of copied validation rows above which a run warns."""


def copied_fraction(train: NDArray[np.float32], validation: NDArray[np.float32]) -> float:
    """Return the fraction of the validation rows [m, D] that equal one of the training rows [n, D], bit for bit."""
    known = {row.tobytes() for row in train}
    return sum(row.tobytes() in known for row in validation) / len(validation)


@isolated()
def copied_rows_warning(data: TrainingData) -> str:
    """Return a warning if more than 1 % of the validation rows equal a training row; empty if there are fewer.

    Only rows in memory are compared.
    Of a table that is streamed, a sample of the rows is in memory, so that the fraction is a lower limit.
    """
    fraction = copied_fraction(data.train.cpu().numpy(), data.validation.cpu().numpy())
    if fraction <= MAX_COPIED_FRACTION:
        return ""
    limit = "at least " if data.streamed else ""
    return (
        f"{limit}{fraction:.1%} of the validation rows equal a training row, so that the validation metrics "
        "are too good; split_by (groups in Python) keeps rows of the same origin on one side of the split"
    )
