"""Candidate partitions of the columns, by clustering, merging and moving single columns.

For both distances of :mod:`spinlock.categories.clustering`, the columns are over-segmented by Ward linkage, small
categories are absorbed, and categories are merged step by step. For a number K of categories on this path, single
columns are moved until the largest centroid cosine is below the target. The largest K that reaches the target is found
by bisection and by trying a few larger numbers, because a smaller K does not always reach it when a larger K does; if
only a few numbers are possible, all are tried. This K and some smaller ones give the candidates.

Letters: ``D`` columns, ``K`` categories of a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from spinlock.categories.candidates import ALL_FIXED, Candidate, DiscoveryLimits, describe_partition
from spinlock.categories.clustering import DISTANCES, DistanceKind, absorb_small, merge_path, ward_labels
from spinlock.categories.moves import decorrelate
from spinlock.categories.partition import Floats, Labels, groups_of
from spinlock.errors import DataError
from spinlock.metrics.centroids import max_centroid_cosine

TARGET_MARGIN = 0.94
"""Moves aim at this fraction of the target, so that the result is clearly below the target."""

MAX_MOVED_FRACTION = 0.25
"""Maximum fraction of the columns that are moved; with more moves the clustering would be lost."""

LOOKAHEAD = 3
"""Numbers of categories that are tried above the largest one found by bisection."""

MAX_EXHAUSTIVE = 13
"""With at most this many possible numbers of categories, all are tried."""

SMALLER_FRACTIONS = (0.8, 0.6, 0.4)
"""Further candidates, as fractions of the largest number of categories that reaches the target."""


def find_candidates(
    correlation: Floats, limits: DiscoveryLimits, *, fixed_labels: Labels | None = None
) -> tuple[Candidate, ...]:
    """Return candidate partitions, scored by everything except their quality.

    Parameters
    ----------
    correlation
        Correlations [D, D] of the columns on training rows.
    limits
        Requirements on the partitions.
    fixed_labels
        Numbers [D] 0 ... F - 1 of categories that must not change, and -1 for the columns to assign. The target
        applies to fixed and discovered categories together.

    Returns
    -------
    tuple of Candidate

    Raises
    ------
    DataError
        The requirements contradict the fixed categories, or the exact number of categories cannot be reached.
    """
    if fixed_labels is None:
        fixed_labels = np.full(len(correlation), -1, dtype=np.int64)
    num_fixed = int(fixed_labels.max()) + 1
    num_free = int((fixed_labels < 0).sum())
    if num_free == 0 and limits.count is not None:
        raise DataError(
            f"num_categories_auto = {limits.count}, but the mapping file assigns every column",
            remedy="set num_categories_auto to null, or leave columns out of the mapping file",
        )
    if num_free == 0:
        return (describe_partition(correlation, fixed_labels, ALL_FIXED, num_fixed=num_fixed),)
    if limits.count is None and num_fixed >= limits.max_clusters:
        raise DataError(
            f"max_clusters = {limits.max_clusters}, but the mapping file gives {num_fixed} categories and leaves "
            f"{num_free} columns to be assigned",
            expected=f"at least {num_fixed + 1}",
            remedy="raise max_clusters, or assign every column",
        )
    search = _Search(correlation, limits, fixed_labels, num_fixed)
    with threadpool_limits(1):  # eigenvectors of thousands of small matrices: threads would only add waiting time
        paths = {kind: search.path(kind) for kind in DISTANCES}
        if limits.count is not None:
            return tuple(search.with_exact_number(paths, limits.count))
        return tuple(c for kind, path in paths.items() for c in search.within_target(path, kind))


def partition_at(correlation: Floats, count: int, kind: DistanceKind, limits: DiscoveryLimits) -> Candidate:
    """Return the candidate of one distance with the number of categories that is nearest to ``count``.

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

    Returns
    -------
    Candidate
    """
    search = _Search(correlation, limits, np.full(len(correlation), -1, dtype=np.int64), 0)
    path = search.path(kind)
    return search.candidate(path[min(path, key=lambda k: abs(k - count))], kind)


@dataclass(frozen=True)
class _Search:
    """A search for candidates with the columns of one correlation matrix [D, D]."""

    correlation: Floats
    limits: DiscoveryLimits
    fixed_labels: Labels
    num_fixed: int

    def path(self, kind: DistanceKind) -> dict[int, Labels]:
        """Return the merge path over the columns that are not fixed, by the total number of categories."""
        limits, num_fixed = self.limits, self.num_fixed
        free = np.flatnonzero(self.fixed_labels < 0)
        # With more clusters than columns / min_features nearly every cluster is absorbed, mostly by a single category.
        count = min(max(limits.max_clusters - num_fixed, limits.count or 0), free.size // limits.min_features)
        labels = self.fixed_labels.copy()
        labels[free] = num_fixed + ward_labels(self.correlation[np.ix_(free, free)], max(1, count), kind)
        labels = absorb_small(self.correlation, labels, limits.min_features, num_fixed)
        return merge_path(self.correlation, labels, num_fixed)

    def candidate(self, labels: Labels, kind: DistanceKind) -> Candidate:
        """Move single columns to lower the largest centroid cosine, and score the result."""
        result = decorrelate(
            self.correlation,
            labels,
            limit=TARGET_MARGIN * self.limits.target,
            min_features=self.limits.min_features,
            max_moves=int(MAX_MOVED_FRACTION * len(labels)),
            num_fixed=self.num_fixed,
        )
        return describe_partition(
            self.correlation,
            result.labels,
            kind,
            num_fixed=self.num_fixed,
            merged_cosine=max_centroid_cosine(self.correlation, groups_of(labels)) or 0.0,
            moves=result.moves,
        )

    def within_target(self, path: dict[int, Labels], kind: DistanceKind) -> list[Candidate]:
        """Return the candidate with the largest K below the target and some smaller ones, or all if they are few."""
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
                f"num_categories_auto = {count}, but clustering these columns finds no more than "
                f"{high - self.num_fixed} categories of at least {self.limits.min_features} columns",
                expected=f"{low - self.num_fixed} to {high - self.num_fixed}",
                remedy="lower min_features_per_category or choose another number",
            )
        return exact
