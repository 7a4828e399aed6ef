"""Selection of a candidate partition: the one with the best quality below the orthogonality target.

The caller computes the quality on held-out rows. The silhouette decides between nearly equal qualities. On real tables
the silhouette alone would select either two categories or the maximum number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spinlock.categories.candidate_search import find_candidates
from spinlock.categories.candidates import Candidate, DiscoveryLimits
from spinlock.categories.partition import Floats, Labels

QUALITY_TIE = 0.002
"""Qualities that differ by at most this amount are treated as equal, since the estimate on held-out rows is noisy."""

MIN_CATEGORIES = 4
"""Candidates with fewer categories are selected only if no other candidate reaches the target."""

MAX_CATEGORY_FRACTION = 2 / 3
"""Candidates with a larger category are selected only if no other candidate reaches the target."""

Score = Callable[[Sequence[Labels]], Sequence[float | None]]
"""Function of partitions that returns their qualities on held-out rows; None excludes a partition."""


@dataclass(frozen=True)
class Discovery:
    """The chosen candidate, all candidates, and the upper limit of the largest centroid cosine."""

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    target: float

    @property
    def meets_target(self) -> bool:
        """Whether the chosen candidate has several categories and its largest centroid cosine is below the target."""
        return self.chosen.num_categories > 1 and self.chosen.cosine < self.target


def discover(
    correlation: Floats, limits: DiscoveryLimits, *, score: Score, fixed_labels: Labels | None = None
) -> Discovery:
    """Partition the columns of a correlation matrix.

    Parameters
    ----------
    correlation
        Correlations [D, D] of the columns on training rows.
    limits
        Requirements on the partition.
    score
        Quality of partitions on held-out rows. It is called at most once, with the eligible candidates.
    fixed_labels
        Label of each column [D]: the number of its category if that is fixed, and -1 for the columns to assign.

    Returns
    -------
    Discovery

    Raises
    ------
    DataError
        No partition meets the requirements; see :func:`find_candidates`.
    """
    return choose(find_candidates(correlation, limits, fixed_labels=fixed_labels), limits.target, score)


def choose(candidates: Sequence[Candidate], target: float, score: Score) -> Discovery:
    """Choose the best candidate.

    The eligible candidates are those below the target with enough categories and without a too large category. If there
    are none, all candidates below the target are eligible. If there are none either, only the candidate with the
    smallest cosine is eligible. The eligible candidate with the best quality is chosen; of nearly equal qualities, the
    one with the largest silhouette.

    Parameters
    ----------
    candidates
        At least one candidate.
    target
        Upper limit of the largest centroid cosine.
    score
        Quality of partitions on held-out rows. It is called only if several candidates are eligible.

    Returns
    -------
    Discovery
        Its candidates contain the computed qualities.
    """
    below = [c for c in candidates if c.num_categories > 1 and c.adjustable_cosine < target]
    balanced = [c for c in below if c.num_categories >= MIN_CATEGORIES and c.largest_fraction <= MAX_CATEGORY_FRACTION]
    fallback = [c for c in candidates if c.num_categories > 1] or candidates
    eligible = balanced or below or [min(fallback, key=lambda c: c.adjustable_cosine)]
    if len(eligible) == 1:
        return Discovery(eligible[0], tuple(candidates), target)
    qualities = score([c.labels for c in eligible])
    scored = {id(c): replace(c, quality=quality) for c, quality in zip(eligible, qualities, strict=True)}
    best_quality = max(c.quality for c in scored.values() if c.quality is not None)
    tied = [c for c in scored.values() if c.quality is not None and c.quality >= best_quality - QUALITY_TIE]
    return Discovery(max(tied, key=lambda c: c.silhouette), tuple(scored.get(id(c), c) for c in candidates), target)
