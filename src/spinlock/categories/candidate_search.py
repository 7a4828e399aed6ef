"""Candidate partitions of the columns, by clustering, merging and moving single columns.

The search is done for both distances of :mod:`spinlock.categories.clustering`. Ward linkage first gives more clusters
than needed. Small clusters are merged into similar ones, and categories are then merged step by step. This merge path
contains one partition for each number K of categories. For a given K, single columns are moved until the largest
centroid cosine is below the target. The candidates are the partitions with the largest K that reaches the target and
with some smaller K. Bisection finds the largest K. A few larger values are also tried, because a smaller K does not
always reach the target when a larger K does. If only few values of K are possible, all are tried.

Letters: ``D`` columns, ``K`` categories of a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from spinlock.categories.bundles import Bundles, weighted_ward_labels
from spinlock.categories.candidates import ALL_FIXED, Candidate, DiscoveryLimits, describe_partition
from spinlock.categories.clustering import (
    DISTANCES,
    DistanceKind,
    absorb_small,
    feature_distance,
    merge_path,
    ward_labels,
)
from spinlock.categories.moves import decorrelate
from spinlock.categories.partition import Floats, Labels, groups_of
from spinlock.errors import DataError
from spinlock.metrics.centroids import max_centroid_cosine

TARGET_MARGIN = 0.94
"""Columns are moved until the cosine is below this fraction of the target, so that the result is clearly below it."""

MAX_MOVED_FRACTION = 0.25
"""Maximum number of moves as a fraction of the columns, so that the partition stays close to the clustering."""

LOOKAHEAD = 3
"""Number of values of K that are tried above the result of the bisection."""

MAX_EXHAUSTIVE = 13
"""Up to this number of possible values of K, all are tried."""

SMALLER_FRACTIONS = (0.8, 0.6, 0.4)
"""Values of K of further candidates, as fractions of the largest K that reaches the target."""


def find_candidates(
    correlation: Floats,
    limits: DiscoveryLimits,
    *,
    fixed_labels: Labels | None = None,
    bundles: Bundles | None = None,
) -> tuple[Candidate, ...]:
    """Return candidate partitions with all scores except the quality.

    Parameters
    ----------
    correlation
        Correlations [D, D] of the columns on training rows.
    limits
        Requirements on the partitions.
    fixed_labels
        Label of each column [D]: 0 to F - 1 for the F fixed categories, which must not change, and -1 for the columns
        to assign. The target applies to fixed and discovered categories together.
    bundles
        Bundles of columns that are assigned to categories in place of columns, of which each fixed category is one.
        ``correlation`` is then ``bundles.products``, and ``fixed_labels`` are those of the bundles. None for columns.

    Returns
    -------
    tuple of Candidate

    Raises
    ------
    DataError
        The requirements contradict the fixed categories, or no partition has the exact number of categories.
    """
    if fixed_labels is None:
        fixed_labels = np.full(len(correlation), -1, dtype=np.int64)
    num_fixed = int(fixed_labels.max()) + 1
    sizes = np.ones(len(fixed_labels)) if bundles is None else bundles.sizes
    num_free = int(sizes[fixed_labels < 0].sum())
    if num_free == 0 and limits.count is not None:
        raise DataError(
            f"num_categories_auto = {limits.count}, but the mapping file assigns every column",
            remedy="set num_categories_auto to null, or remove columns from the mapping file",
        )
    if num_free == 0:
        return (describe_partition(correlation, fixed_labels, ALL_FIXED, num_fixed=num_fixed, bundles=bundles),)
    if limits.count is None and num_fixed >= limits.max_clusters:
        raise DataError(
            f"max_clusters = {limits.max_clusters}, but the mapping file has {num_fixed} categories and does not "
            f"assign {num_free} columns",
            expected=f"at least {num_fixed + 1}",
            remedy="raise max_clusters, or assign every column in the mapping file",
        )
    search = _Search(correlation, limits, fixed_labels, num_fixed, bundles)
    with threadpool_limits(1):  # for thousands of small matrices, more threads are slower
        paths = {kind: search.path(kind) for kind in DISTANCES}
        if limits.count is not None:
            return tuple(search.with_exact_number(paths, limits.count))
        return tuple(c for kind, path in paths.items() for c in search.within_target(path, kind))


def partition_at(
    correlation: Floats, count: int, kind: DistanceKind, limits: DiscoveryLimits, bundles: Bundles | None = None
) -> Candidate:
    """Return the candidate for one distance whose number of categories is nearest to ``count``.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    count
        Number of categories.
    kind
        Distance of the clustering.
    limits
        Requirements on the partition; its ``count`` is not used.
    bundles
        Bundles of columns whose products are ``correlation``. None for columns.

    Returns
    -------
    Candidate
    """
    search = _Search(correlation, limits, np.full(len(correlation), -1, dtype=np.int64), 0, bundles)
    path = search.path(kind)
    return search.candidate(path[min(path, key=lambda k: abs(k - count))], kind)


@dataclass(frozen=True)
class _Search:
    """Search for candidate partitions of the columns of one correlation matrix [D, D], or of bundles of columns."""

    correlation: Floats
    limits: DiscoveryLimits
    fixed_labels: Labels
    num_fixed: int
    bundles: Bundles | None = None

    @cached_property
    def sizes(self) -> Floats:
        """Number of columns of each entry of the labels, [D]."""
        return np.ones(len(self.fixed_labels)) if self.bundles is None else self.bundles.sizes

    def clusters(self, free: Labels, count: int, kind: DistanceKind) -> Labels:
        """Return at most ``count`` clusters of the columns or bundles ``free`` by Ward linkage."""
        if self.bundles is None:
            return ward_labels(self.correlation[np.ix_(free, free)], count, kind)
        distance = feature_distance(self.bundles.correlation[np.ix_(free, free)], kind)
        return weighted_ward_labels(distance, self.sizes[free], count)

    def path(self, kind: DistanceKind) -> dict[int, Labels]:
        """Return the partitions of the merge path by their total number of categories; fixed columns stay."""
        limits, num_fixed = self.limits, self.num_fixed
        free = np.flatnonzero(self.fixed_labels < 0)
        # More clusters than columns / min_features would be too small, and most would be merged into a single category.
        columns = int(self.sizes[free].sum())
        count = min(max(limits.max_clusters - num_fixed, limits.count or 0), columns // limits.min_features)
        labels = self.fixed_labels.copy()
        labels[free] = num_fixed + self.clusters(free, max(1, count), kind)
        labels = absorb_small(self.correlation, labels, limits.min_features, num_fixed, self.sizes)
        return merge_path(self.correlation, labels, num_fixed)

    def candidate(self, labels: Labels, kind: DistanceKind) -> Candidate:
        """Move single columns to reduce the largest centroid cosine, and score the result."""
        result = decorrelate(
            self.correlation,
            labels,
            limit=TARGET_MARGIN * self.limits.target,
            min_features=self.limits.min_features,
            max_moves=int(MAX_MOVED_FRACTION * len(labels)),
            num_fixed=self.num_fixed,
            sizes=self.sizes,
        )
        return describe_partition(
            self.correlation,
            result.labels,
            kind,
            num_fixed=self.num_fixed,
            merged_cosine=max_centroid_cosine(self.correlation, groups_of(labels)) or 0.0,
            moves=result.moves,
            bundles=self.bundles,
        )

    def within_target(self, path: dict[int, Labels], kind: DistanceKind) -> list[Candidate]:
        """Return the candidates with the largest K below the target and with smaller K, or all K if there are few."""
        cache: dict[int, Candidate] = {}

        def at(count: int) -> Candidate:
            if count not in cache:
                cache[count] = self.candidate(path[count], kind)
            return cache[count]

        def reaches_target(count: int) -> bool:
            return at(count).adjustable_cosine < self.limits.target

        smallest, largest = min(path), max(path)
        if largest - smallest < MAX_EXHAUSTIVE:
            return [at(count) for count in sorted(path)]
        low, high = smallest, largest + 1
        while high - low > 1:
            middle = (low + high) // 2
            if reaches_target(middle):
                low = middle
            else:
                high = middle
        while larger := [k for k in range(low + 1, min(low + LOOKAHEAD, largest) + 1) if reaches_target(k)]:
            low = max(larger)
        for fraction in (1.0, *SMALLER_FRACTIONS):
            at(max(smallest, min(largest, round(fraction * low))))
        if largest >= 2 and low < 2:
            at(2)
        return [cache[count] for count in sorted(cache)]

    def with_exact_number(self, paths: dict[DistanceKind, dict[int, Labels]], count: int) -> list[Candidate]:
        """Return the candidates with exactly ``count`` discovered categories, at most one for each distance."""
        total = self.num_fixed + count
        exact = [self.candidate(path[total], kind) for kind, path in paths.items() if total in path]
        if not exact:
            low, high = min(min(path) for path in paths.values()), max(max(path) for path in paths.values())
            raise DataError(
                f"num_categories_auto = {count}, but clustering these columns gives no more than "
                f"{high - self.num_fixed} categories of at least {self.limits.min_features} columns",
                expected=f"{low - self.num_fixed} to {high - self.num_fixed}",
                remedy="lower min_features_per_category or choose another number",
            )
        return exact
