"""Evaluation of a model on another table than the one on which it was trained.

Metrics of the evaluated rows are measured. Metrics that belong to the training rows are those of the training run; they
are never fitted on the evaluated rows. Metrics that need both are undefined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spinlock.evaluation.advice import AdviceContext, advice
from spinlock.evaluation.row_metrics import row_metrics
from spinlock.io.arrays.row_precision import RawRows
from spinlock.metrics.targets import Target
from spinlock.model.codec import Codec
from spinlock.preprocessing.cleaning import Cleaner

OF_TRAINING = (
    "quality_train",
    "copied_validation_rows",
    "utilization_train",
    "entropy_bits_train",
    "inter_category_orthogonality",
    "orthogonality_clipped",
    "orthogonality_mean",
    "largest_category_share",
    "energy_within_category",
)
"""Metrics of the training rows or of the weights, which do not depend on the evaluated rows."""

UNDEFINED = (
    "orthogonality_validation",
    "orthogonality_noise",
    "quality_local",
    "quality_joint",
    "share_of_equal_tokens",
    "gap_db",
)
"""Metrics that need training rows and evaluated rows."""


def other_table_metrics(
    codec: Codec,
    cleaner: Cleaner,
    rows: Tensor,
    raw_rows: RawRows,
    row_numbers: NDArray[np.int64],
    trained: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure a model on rows of another table.

    Parameters
    ----------
    codec, cleaner, rows, raw_rows, row_numbers
        As in :func:`~spinlock.evaluation.row_metrics.row_metrics`.
    trained
        Final metrics of the training run; empty if the run was stopped.

    Returns
    -------
    dict
        The names of a run with several categories. Metrics of the training rows are copied from ``trained`` and are
        None if it is empty; metrics that need training rows and evaluated rows are None.
    """
    reference = trained.get("rate_distortion_quality", {})
    return {
        **row_metrics(codec, cleaner, rows, raw_rows, row_numbers),
        **{name: trained.get(name) for name in OF_TRAINING},
        **dict.fromkeys(UNDEFINED),
        "bits_per_sample": codec.model.spec.bits_per_row,
        "rate_distortion_quality": {
            "training": reference.get("training"),
            "held_out": None,
            "block": reference.get("block"),
            "ledoit_wolf": reference.get("ledoit_wolf"),
        },
    }


def other_table_advice(target: Target, own: Target | None, trained: Mapping[str, Any], context: AdviceContext) -> str:
    """Return the cause of a missed target on another table, in one line.

    Parameters
    ----------
    target
        Missed target of the evaluated rows.
    own
        The same target of the training run, or None if the run was stopped.
    trained
        Final metrics of the training run.
    context
        Properties of the run.

    Returns
    -------
    str
    """
    if own is None or (own.value is None and target.metric != "inter_category_orthogonality"):
        return "the training run was stopped before its metrics were measured; resume it to its end for a comparison"
    if not own.met:
        return advice(own, trained, context)
    return (
        f"the validation rows of the training table reach {own.value:.2f}: the rows of this table differ from the "
        "training rows, or are too few; train on rows like these"
    )
