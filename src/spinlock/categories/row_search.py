"""Search for candidate partitions on the rows of a table, with bundles of columns if the table is wide.

A table is wide if it has more than :data:`~spinlock.metrics.correlation.MAX_MATRIX_COLUMNS` columns. The search then
works on bundles (:mod:`spinlock.categories.bundles`). The cosines of the partitions that it returns are those of all
columns with their exact signs. Its silhouettes, and its cosines before moves, are those of the bundles.

Letters: ``n`` rows, ``D`` columns, ``G`` bundles.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spinlock.categories.bundles import Bundles, bundle_columns
from spinlock.categories.candidate_search import find_candidates, partition_at
from spinlock.categories.candidates import Candidate, DiscoveryLimits
from spinlock.categories.centroids import adjustable_cosines
from spinlock.categories.clustering import DistanceKind
from spinlock.categories.partition import Floats, Labels, groups_of, order_by_size
from spinlock.metrics.centroids import absolute_cosines
from spinlock.metrics.correlation import correlation_matrix, evenly_spaced, is_wide, unit_columns
from spinlock.metrics.row_centroids import signed_sum

MAX_BUNDLES = 1_000
"""Maximum number of bundles. The search for categories takes about as long as in a table of so many columns."""


def find_candidates_of_rows(
    rows: NDArray[np.floating], limits: DiscoveryLimits, *, fixed_labels: Labels | None = None
) -> tuple[Candidate, ...]:
    """Return candidate partitions of the columns of a table with all scores except the quality.

    Parameters
    ----------
    rows
        Training rows [n, D].
    limits
        Requirements on the partitions.
    fixed_labels
        Label of each column [D]; see :func:`~spinlock.categories.candidate_search.find_candidates`.

    Returns
    -------
    tuple of Candidate

    Raises
    ------
    DataError
        The requirements contradict the fixed categories, or no partition has the exact number of categories.
    """
    if not is_wide(rows.shape[1]):
        return find_candidates(correlation_matrix(rows.astype(np.float64)), limits, fixed_labels=fixed_labels)
    columns = unit_columns(rows[evenly_spaced(len(rows))])
    bundles = bundle_columns(columns, MAX_BUNDLES, fixed_labels=fixed_labels)
    num_fixed = 0 if fixed_labels is None else int(fixed_labels.max()) + 1
    labels = np.where(np.arange(len(bundles.sizes)) < num_fixed, np.arange(len(bundles.sizes)), -1)
    found = find_candidates(bundles.products, limits, fixed_labels=labels, bundles=bundles)
    sums = _SignedSums(columns)
    return tuple(_of_columns(candidate, bundles, sums, num_fixed) for candidate in found)


def partition_of_rows(rows: Floats, count: int, kind: DistanceKind, limits: DiscoveryLimits) -> Labels:
    """Return the partition for one distance whose number of categories is nearest to ``count``.

    Parameters
    ----------
    rows
        Rows [n, D].
    count
        Number of categories.
    kind
        Distance of the clustering.
    limits
        Requirements on the partition; its ``count`` is not used.

    Returns
    -------
    numpy.ndarray
        Category of each column [D].
    """
    if not is_wide(rows.shape[1]):
        return partition_at(correlation_matrix(rows), count, kind, limits).labels
    bundles = bundle_columns(unit_columns(rows[evenly_spaced(len(rows))]), MAX_BUNDLES)
    return partition_at(bundles.products, count, kind, limits, bundles).labels[bundles.labels]


class _SignedSums:
    """Cached signed sums of sets of unit columns [n, D]. Many candidates have the same categories."""

    def __init__(self, columns: Floats) -> None:
        self.columns = columns
        self._cache: dict[bytes, Floats] = {}

    def __call__(self, members: NDArray[np.int64]) -> Floats:
        """Return the signed sum [n] of the columns ``members``."""
        key = members.tobytes()
        if key not in self._cache:
            self._cache[key] = signed_sum(self.columns[:, members])
        return self._cache[key]


def _of_columns(candidate: Candidate, bundles: Bundles, sums_of: _SignedSums, num_fixed: int) -> Candidate:
    """Return a partition of bundles as one of columns, with the cosines of the centroids of the columns."""
    labels = order_by_size(candidate.labels[bundles.labels], num_fixed)
    groups = groups_of(labels)
    sums = np.stack([sums_of(group) for group in groups], axis=1)
    cosines = absolute_cosines(sums.T @ sums)
    return replace(
        candidate,
        labels=labels,
        cosine=float(cosines.max()),
        adjustable_cosine=float(adjustable_cosines(cosines, num_fixed).max()),
        largest_fraction=max(len(group) for group in groups) / len(labels),
    )
