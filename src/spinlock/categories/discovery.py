"""Choose a partition of the columns: under the orthogonality target, the one of best cross-validated quality.

For both distances: over-segment, absorb small categories, merge down, and for a number K of categories move single
features until the largest centroid cosine is below the target. The largest K that gets there is found by bisection and
a look at a few numbers above it, for it is not certain that every smaller K gets there too (where only a few are
possible, all are tried); it and some smaller ones are candidates. Quality decides between them, the silhouette breaks
ties: a maximum of the silhouette alone picks two categories or as many as allowed on real tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from spinlock.categories.clustering import (
    DISTANCES,
    DistanceKind,
    absorb_small,
    feature_distance,
    mean_silhouette,
    merge_path,
    ward_labels,
)
from spinlock.categories.moves import decorrelate, open_cosines
from spinlock.categories.partition import Floats, Labels, by_size, groups_of
from spinlock.errors import DataError
from spinlock.metrics.centroids import centroid_cosines, centroid_weights, max_centroid_cosine

MARGIN = 0.94
"""Moves aim at this share of the target, so that the result is below it and not at it."""

MOVE_SHARE = 0.25
"""At most this share of the columns is moved: beyond it the clustering would no longer be the one that was found."""

TIE = 0.002
"""Qualities closer than this are a tie, which the silhouette decides."""

GIVEN = "given"
"""Instead of a distance, where every column was given."""

LOOKAHEAD = 3
"""Numbers of categories looked at above one that is under the target."""

EXHAUSTIVE_BELOW = 13
"""With fewer possible numbers than this, all of them are looked at."""

MIN_CATEGORIES = 4
MAX_CATEGORY_SHARE = 2 / 3
SMALLER = (0.8, 0.6, 0.4)
"""Candidates beside the largest feasible K, as shares of it."""


@dataclass(frozen=True)
class Candidate:
    """One partition: its labels [D], where it came from and how it scores.

    ``merged_cosine`` and ``cosine`` are the largest centroid cosines before and after the moves (0 for one category),
    ``open_cosine`` the largest of those pairs that are not both given: what discovery answers for. ``quality`` is the
    cross-validated quality, None where it was not computed.
    """

    labels: Labels
    distance: str
    num_categories: int
    merged_cosine: float
    cosine: float
    open_cosine: float
    moves: int
    largest_share: float
    silhouette: float
    quality: float | None = None

    def summary(self) -> dict[str, float | int | str | None]:
        """The scores alone, for the record."""
        return {
            "num_categories": self.num_categories,
            "distance": self.distance,
            "merged_cosine": round(self.merged_cosine, 4),
            "cosine": round(self.cosine, 4),
            "moves": self.moves,
            "largest_share": round(self.largest_share, 4),
            "silhouette": round(self.silhouette, 4),
            "quality": None if self.quality is None else round(self.quality, 4),
        }


@dataclass(frozen=True)
class Discovery:
    """The chosen partition and every candidate that was looked at; ``meets_target`` tells whether it is below it."""

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    target: float

    @property
    def meets_target(self) -> bool:
        """Whether the largest centroid cosine of the chosen partition is below the target."""
        return self.chosen.num_categories > 1 and self.chosen.cosine < self.target


@dataclass(frozen=True)
class DiscoveryLimits:
    """What a partition has to keep to.

    ``target`` of the largest |cos|, ``min_features`` columns in a category at least, ``max_clusters`` categories at
    most; ``count`` categories are discovered exactly, beside those that are given.
    """

    target: float
    min_features: int
    max_clusters: int
    count: int | None = None


Score = Callable[[Sequence[Labels]], Sequence[float | None]]
"""Cross-validated quality of each of some partitions; None where it is out of the running without one."""


def discover(correlation: Floats, limits: DiscoveryLimits, *, score: Score, given: Labels | None = None) -> Discovery:
    """Partition the columns of a correlation matrix [D, D]: :func:`choose` among the :func:`candidates`."""
    return choose(candidates(correlation, limits, given=given), limits.target, score)


def candidates(correlation: Floats, limits: DiscoveryLimits, *, given: Labels | None = None) -> tuple[Candidate, ...]:
    """Partitions of the columns of a correlation matrix [D, D], nothing scored yet.

    ``given`` [D] holds the numbers 0..F-1 of categories that must stay as they are and -1 for columns to be assigned;
    the orthogonality is held over both.

    Raises:
        DataError: exactly ``count`` categories were asked for and cannot be made.
    """
    given = np.full(len(correlation), -1, dtype=np.int64) if given is None else given
    fixed = int(given.max()) + 1
    if not (given < 0).any() and limits.count is not None:
        raise DataError(
            f"num_categories_auto = {limits.count}, but the mapping file assigns every column",
            remedy="set num_categories_auto to null, or leave columns out of the mapping file",
        )
    if not (given < 0).any():
        return (describe(correlation, given, GIVEN, fixed=fixed),)
    if limits.count is None and fixed >= limits.max_clusters:
        raise DataError(
            f"max_clusters = {limits.max_clusters}, but the mapping file gives {fixed} categories and leaves "
            f"{int((given < 0).sum())} columns to be assigned",
            expected=f"at least {fixed + 1}",
            remedy="raise max_clusters, or assign every column",
        )
    with threadpool_limits(1):  # thousands of eigenvectors of small blocks: threads would only wait for each other
        paths = {kind: _path(correlation, given, fixed, limits, kind) for kind in DISTANCES}
        if limits.count is not None:
            return tuple(_exactly(correlation, paths, fixed, limits))
        return tuple(c for kind, path in paths.items() for c in _feasible(correlation, path, kind, fixed, limits))


def partition_at(correlation: Floats, count: int, kind: DistanceKind, limits: DiscoveryLimits) -> Candidate:
    """The candidate of one distance with ``count`` categories, or as near as its merging passes; nothing scored."""
    path = _path(correlation, np.full(len(correlation), -1, dtype=np.int64), 0, limits, kind)
    return _candidate(correlation, path[min(path, key=lambda k: abs(k - count))], kind, 0, limits)


def describe(
    correlation: Floats,
    labels: Labels,
    distance: str,
    *,
    fixed: int = 0,
    before: float | None = None,
    moves: int = 0,
) -> Candidate:
    """Score a partition by everything but its quality."""
    labels = by_size(labels, fixed)
    groups = groups_of(labels)
    cosine, open_cosine = 0.0, 0.0
    if len(groups) > 1:
        found = centroid_cosines(correlation, centroid_weights(correlation, groups))
        cosine, open_cosine = float(found.max()), float(open_cosines(found, fixed).max())
    silhouette = 0.0
    if 2 <= len(groups) < len(labels):
        silhouette = mean_silhouette(feature_distance(correlation), labels)
    share = max(len(group) for group in groups) / len(labels)
    merged_cosine = cosine if before is None else before
    return Candidate(labels, distance, len(groups), merged_cosine, cosine, open_cosine, moves, share, silhouette)


def _path(
    correlation: Floats, given: Labels, fixed: int, limits: DiscoveryLimits, kind: DistanceKind
) -> dict[int, Labels]:
    """Merge path over discovered categories (from ``fixed`` on) of the columns that are free."""
    free = np.flatnonzero(given < 0)
    # Finer than the least size allows, nearly every cluster is absorbed, and the largest centroid swallows them all.
    room = min(max(limits.max_clusters - fixed, limits.count or 0), free.size // limits.min_features)
    labels = given.copy()
    labels[free] = fixed + ward_labels(correlation[np.ix_(free, free)], max(1, room), kind)
    return merge_path(correlation, absorb_small(correlation, labels, limits.min_features, fixed), fixed)


def _candidate(
    correlation: Floats, labels: Labels, kind: DistanceKind, fixed: int, limits: DiscoveryLimits
) -> Candidate:
    before = max_centroid_cosine(correlation, groups_of(labels)) or 0.0
    moved = decorrelate(
        correlation,
        labels,
        limit=MARGIN * limits.target,
        minimum=limits.min_features,
        max_moves=int(MOVE_SHARE * len(labels)),
        fixed=fixed,
    )
    return describe(correlation, moved.labels, kind, fixed=fixed, before=before, moves=moved.moves)


def _feasible(
    correlation: Floats, path: dict[int, Labels], kind: DistanceKind, fixed: int, limits: DiscoveryLimits
) -> list[Candidate]:
    """The largest K under the target and some smaller ones, or every K where they are few."""
    looked: dict[int, Candidate] = {}

    def at(count: int) -> Candidate:
        if count not in looked:
            looked[count] = _candidate(correlation, path[count], kind, fixed, limits)
        return looked[count]

    def under(count: int) -> bool:
        return at(count).open_cosine < limits.target

    smallest, largest = min(path), max(path)
    if largest - smallest < EXHAUSTIVE_BELOW:
        return [at(count) for count in sorted(path)]
    low, high = smallest, largest + 1
    while high - low > 1:
        middle = (low + high) // 2
        if under(middle):
            low = middle
        else:
            high = middle
    while above := [count for count in range(low + 1, min(low + LOOKAHEAD, largest) + 1) if under(count)]:
        low = max(above)
    for share in (1.0, *SMALLER):
        at(max(smallest, min(largest, round(share * low))))
    if largest >= 2 and low < 2:
        at(2)
    return [looked[count] for count in sorted(looked)]


def _exactly(
    correlation: Floats, paths: dict[DistanceKind, dict[int, Labels]], fixed: int, limits: DiscoveryLimits
) -> list[Candidate]:
    assert limits.count is not None
    found = [
        _candidate(correlation, path[fixed + limits.count], kind, fixed, limits)
        for kind, path in paths.items()
        if fixed + limits.count in path
    ]
    if not found:
        low, high = min(min(path) for path in paths.values()), max(max(path) for path in paths.values())
        raise DataError(
            f"num_categories_auto = {limits.count}, but clustering these columns finds no more than {high - fixed} "
            f"categories of at least {limits.min_features} columns",
            expected=f"{low - fixed} to {high - fixed}",
            remedy="lower min_features_per_category or choose another number",
        )
    return found


def choose(found: Sequence[Candidate], target: float, score: Score) -> Discovery:
    """The best by quality among the most acceptable; every candidate, with the qualities that were computed.

    ``score`` returns the cross-validated quality of partitions.
    """
    under = [c for c in found if c.num_categories > 1 and c.open_cosine < target]
    balanced = [c for c in under if c.num_categories >= MIN_CATEGORIES and c.largest_share <= MAX_CATEGORY_SHARE]
    several = [c for c in found if c.num_categories > 1] or found
    eligible = balanced or under or [min(several, key=lambda c: c.open_cosine)]
    if len(eligible) == 1:
        return Discovery(eligible[0], tuple(found), target)
    qualities = score([c.labels for c in eligible])
    scored = {id(c): replace(c, quality=quality) for c, quality in zip(eligible, qualities, strict=True)}
    best = max(c.quality for c in scored.values() if c.quality is not None)
    tied = [c for c in scored.values() if c.quality is not None and c.quality >= best - TIE]
    return Discovery(max(tied, key=lambda c: c.silhouette), tuple(scored.get(id(c), c) for c in found), target)
