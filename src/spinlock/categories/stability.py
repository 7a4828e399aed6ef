"""Stability of a partition: discover it again on bootstrap samples of the rows, and compare.

The adjusted Rand index (Hubert and Arabie, 1985) compares whole partitions; it is 1 for equal partitions and 0 on
average for random ones. The agreement of a column is the mean Jaccard index between the columns of its category in the
partition and in a bootstrap partition.

Letters: ``n`` rows, ``D`` columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.categories.candidate_search import partition_at
from spinlock.categories.candidates import DiscoveryLimits
from spinlock.categories.clustering import DistanceKind
from spinlock.categories.partition import Floats, Labels
from spinlock.metrics.correlation import correlation_matrix


@dataclass(frozen=True)
class Stability:
    """Adjusted Rand index of each bootstrap partition [draws] and agreement of each column [D]."""

    adjusted_rand: Floats
    column_agreement: Floats


def bootstrap_stability(
    rows: Floats,
    labels: Labels,
    distance: str,
    limits: DiscoveryLimits,
    *,
    draws: int,
    rng: np.random.Generator,
) -> Stability:
    """Compare a partition with those of bootstrap samples, at the same number of categories.

    Parameters
    ----------
    rows
        Z-scored rows [n, D].
    labels
        Category numbers [D] of the partition.
    distance
        Distance kind of the partition; anything but ``absolute`` is compared by ``projector``.
    limits
        Limits that the partition was discovered with.
    draws
        Number of bootstrap samples.
    rng
        Generator of the samples.

    Returns
    -------
    Stability
    """
    from sklearn.metrics import adjusted_rand_score  # imports scipy.stats, which takes seconds

    count = int(labels.max()) + 1
    kind: DistanceKind = "absolute" if distance == "absolute" else "projector"
    same_category = labels[:, None] == labels[None]
    rand, agreement = [], np.zeros(len(labels))
    for _ in range(draws):
        sample = rows[rng.integers(len(rows), size=len(rows))]
        sample_labels = partition_at(correlation_matrix(sample), count, kind, limits).labels
        rand.append(float(adjusted_rand_score(labels, sample_labels)))
        same_in_sample = sample_labels[:, None] == sample_labels[None]
        agreement += (same_category & same_in_sample).sum(1) / (same_category | same_in_sample).sum(1) / draws
    return Stability(np.array(rand), agreement)
