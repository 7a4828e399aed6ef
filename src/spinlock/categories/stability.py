"""How stable is a partition? Discover it again on bootstrap samples of the rows and compare.

The adjusted Rand index (Hubert and Arabie, 1985) compares whole partitions: 1 for the same, 0 for chance. A column's
agreement is the mean Jaccard overlap between those that share its category in the partition and in a bootstrap one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.categories.clustering import DistanceKind
from spinlock.categories.discovery import DiscoveryLimits, partition_at
from spinlock.categories.partition import Floats, Labels
from spinlock.metrics.correlation import correlation_matrix


@dataclass(frozen=True)
class Stability:
    """Adjusted Rand index of each bootstrap partition [draws] and the agreement of each column [D]."""

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
    """Compare labels [D] with partitions of ``draws`` bootstrap samples of z-scored rows [n, D], at the same K."""
    from sklearn.metrics import adjusted_rand_score  # takes seconds to import, with all of scipy.stats

    count = int(labels.max()) + 1
    kind: DistanceKind = "absolute" if distance == "absolute" else "projector"
    together = labels[:, None] == labels[None]
    rand, agreement = [], np.zeros(len(labels))
    for _ in range(draws):
        sample = rows[rng.integers(len(rows), size=len(rows))]
        again = partition_at(correlation_matrix(sample), count, kind, limits).labels
        rand.append(float(adjusted_rand_score(labels, again)))
        same = again[:, None] == again[None]
        agreement += (together & same).sum(1) / (together | same).sum(1) / draws
    return Stability(np.array(rand), agreement)
