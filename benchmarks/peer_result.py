"""The measured result of a peer, and the metrics that both peers share.

Letters: ``n`` rows, ``D`` columns, ``E`` components of a latent, ``T`` codebooks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import spinlock as sl
from spinlock.metrics.topography import fixed_rows

Rows = NDArray[np.float32]
"""Rows [n, D] in normalized units."""

Trials = list[dict[str, Any]]
"""Settings, qualities and seconds of each trial of a search."""


@dataclass(frozen=True)
class PeerResult:
    """The result of a peer on test rows.

    Attributes
    ----------
    bits
        Bits per row.
    quality, train_quality
        1 - sum (x - x^)^2 / sum x^2 of the test rows and of the training rows.
    utilization
        Fraction of the codes that occur in the test rows, averaged over codebooks.
    topographic_correlation
        Correlation of the pairwise distances of rows and of latents.
    seconds
        Duration of fitting with the selected settings and of encoding the test rows.
    settings
        The selected settings and other values of the run.
    """

    bits: float
    quality: float
    train_quality: float
    utilization: float
    topographic_correlation: float
    seconds: float
    settings: dict[str, Any]


def topographic_correlation(rows: Rows, latents: Rows) -> float:
    """Return the correlation of pairwise distances of rows [n, D] and latents [n, E], for at most 2,000 rows.

    The rows are those that Spinlock's own metric selects.
    """
    selected = fixed_rows(len(rows))
    return sl.metrics.topographic_correlation(rows[selected], latents[selected])
