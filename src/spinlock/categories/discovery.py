"""Choice between candidate partitions: among those below the orthogonality target, the one of best quality.

The quality is cross-validated by the caller, and the silhouette decides between nearly equal qualities. The silhouette
alone would select two categories, or as many as allowed, on real tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spinlock.categories.candidate_search import find_candidates
from spinlock.categories.candidates import Candidate, DiscoveryLimits
from spinlock.categories.partition import Floats, Labels

QUALITY_TIE = 0.002
"""Qualities that differ by less than this count as equal, because cross-validation is not more exact."""

MIN_CATEGORIES = 4
"""Candidates with fewer categories are selected only if no other candidate reaches the target."""

MAX_CATEGORY_FRACTION = 2 / 3
"""Candidates with a larger category are selected only if no other candidate reaches the target."""

Score = Callable[[Sequence[Labels]], Sequence[float | None]]
"""A function from partitions to their cross-validated qualities; None excludes a partition."""


@dataclass(frozen=True)
class Discovery:
    """The chosen candidate, all candidates, and the target for the largest centroid cosine."""

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
        Cross-validated quality of partitions; called at most once, with the eligible candidates.
    fixed_labels
        Numbers [D] of categories that must not change, and -1 for the columns to assign.

    Returns
    -------
    Discovery

    Raises
    ------
    DataError
        No partition fulfills the requirements; see :func:`find_candidates`.
    """
    return choose(find_candidates(correlation, limits, fixed_labels=fixed_labels), limits.target, score)


def choose(candidates: Sequence[Candidate], target: float, score: Score) -> Discovery:
    """Choose the best candidate.

    Eligible are the candidates below the target that have enough categories and none that is too large; if there are
    none, all candidates below the target; if there are none, only the one with the smallest cosine. Of several
    eligible ones, the best by quality and, for nearly equal qualities, by silhouette is chosen.

    Parameters
    ----------
    candidates
        At least one candidate.
    target
        Value that the largest centroid cosine should stay below.
    score
        Cross-validated quality of partitions; called only if several candidates are eligible.

    Returns
    -------
    Discovery
        The candidates contain the computed qualities.
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
