"""Stability of a partition: comparison with the partitions of bootstrap samples of the rows.

The adjusted Rand index (Hubert and Arabie, 1985) compares whole partitions. It is 1 for equal partitions, and its mean
over random partitions is 0. The agreement of a column is the Jaccard index of the sets of columns in its category, in
the partition and in a bootstrap partition, averaged over the bootstrap samples.

Letters: ``n`` rows, ``D`` columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.categories.candidates import DiscoveryLimits
from spinlock.categories.clustering import DistanceKind
from spinlock.categories.partition import Floats, Labels
from spinlock.categories.row_search import partition_of_rows


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
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
    """Compare a partition with the partitions of bootstrap samples for the same number of categories.

    Parameters
    ----------
    rows
        Z-scored rows [n, D].
    labels
        Category of each column [D].
    distance
        Distance of the clustering that gave the partition. Any value except ``absolute`` selects ``projector``.
    limits
        Requirements with which the partition was discovered.
    draws
        Number of bootstrap samples.
    rng
        Generator that draws the samples.

    Returns
    -------
    Stability
    """
    from sklearn.metrics import adjusted_rand_score  # the import takes seconds

    count = int(labels.max()) + 1
    kind: DistanceKind = "absolute" if distance == "absolute" else "projector"
    rand, agreement = [], np.zeros(len(labels))
    for _ in range(draws):
        sample = rows[rng.integers(len(rows), size=len(rows))]
        sample_labels = partition_of_rows(sample, count, kind, limits)
        rand.append(float(adjusted_rand_score(labels, sample_labels)))
        agreement += jaccard_index(labels, sample_labels) / draws
    return Stability(np.array(rand), agreement)


def jaccard_index(first: Labels, second: Labels) -> Floats:
    """Return |A and B| / |A or B| for each column, where A and B are the columns of its category in two partitions.

    Parameters
    ----------
    first, second
        Category of each column [D].

    Returns
    -------
    numpy.ndarray
        Values [D] in (0, 1].
    """
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1), dtype=np.int64)
    np.add.at(table, (first, second), 1)
    both = table[first, second]
    either = table.sum(1)[first] + table.sum(0)[second] - both
    index: Floats = both / either
    return index
