"""Lines that are printed with the targets: rank quality, clipped orthogonality, and a note on extreme rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spinlock.metrics.row_centroids import CLIPPED

MAX_EXCESS = 0.1
"""Difference of reconstruction quality and rank quality above which a note says that extreme rows dominate."""


MAX_EXTREME_FRACTION = 0.1
"""Fraction of the rows below which the rows with half of the sum of squared z-scores are called extreme."""


def quality_notes(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a reader of the reconstruction quality has to know about it.

    Parameters
    ----------
    metrics
        Metrics of a finished run or of another table.

    Returns
    -------
    tuple of str
        A line if the reconstruction quality is more than :data:`MAX_EXCESS` above the rank quality, or if the rank
        quality is not known; otherwise nothing.
    """
    quality, rank_quality = metrics["reconstruction_quality"], metrics.get("rank_quality")
    if rank_quality is None:
        return (
            "rank_quality is not known: an earlier version of Spinlock wrote the checkpoint, without the quantiles of "
            "the training rows; train again to measure it",
        )
    if not quality - rank_quality > MAX_EXCESS:
        return ()
    extreme = metrics["extreme_rows"]
    if extreme["num_rows_of_half"] > MAX_EXTREME_FRACTION * extreme["num_rows"]:
        return (
            f"rank_quality {rank_quality:.3f} is far below reconstruction_quality {quality:.3f}: the quality does not "
            "depend on a few rows. Errors that are small in z-scores can be large in ranks, for example in columns "
            "with many equal values",
        )
    listed = ", ".join(f"{row['row']} ({row['share']:.1%})" for row in extreme["largest"])
    return (
        f"reconstruction_quality {quality:.3f} is dominated by a few extreme rows: rank_quality is {rank_quality:.3f}; "
        f"half of the variance is in {extreme['num_rows_of_half']} of {extreme['num_rows']} rows, the largest "
        f"shares in the rows {listed}",
    )


def second_values(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the rank quality, and the orthogonality under a second clipping, in one line each; nothing if not known.

    Parameters
    ----------
    metrics
        Metrics of a finished run or of another table.

    Returns
    -------
    tuple of str
    """
    lines = []
    if (rank_quality := metrics.get("rank_quality")) is not None:
        lines.append(
            f"rank_quality {rank_quality:.4f}: the quality after each column is replaced by its rank among the "
            "training rows"
        )
    if (cosine := metrics.get("orthogonality_clipped")) is not None:
        lines.append(f"orthogonality_clipped {cosine:.4f}: the largest centroid cosine with {CLIPPED}")
    return tuple(lines)
