"""Candidate partitions of the columns: requirements, labels and scores.

Letters: ``D`` columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinlock.categories.bundles import Bundles
from spinlock.categories.centroids import adjustable_cosines
from spinlock.categories.clustering import feature_distance, mean_silhouette
from spinlock.categories.partition import Floats, Labels, groups_of, order_by_size
from spinlock.metrics.centroids import centroid_cosines, centroid_weights

ALL_FIXED = "given"
"""Distance name of the only candidate when a mapping file assigns every column."""


@dataclass(frozen=True)
class DiscoveryLimits:
    """Requirements on a partition.

    Attributes
    ----------
    target
        Upper limit of the largest centroid cosine.
    min_features
        Minimum number of columns of a category.
    max_clusters
        Maximum number of categories.
    count
        Exact number of categories to discover in addition to the fixed ones; None to select it automatically.
    """

    target: float
    min_features: int
    max_clusters: int
    count: int | None = None


@dataclass(frozen=True)
class Candidate:
    """A partition of the columns, its origin and its scores.

    Attributes
    ----------
    labels
        Category of each column [D].
    distance
        Distance of the clustering, or :data:`ALL_FIXED`.
    num_categories
        Number of categories.
    merged_cosine
        Largest centroid cosine before single columns were moved; 0 for one category.
    cosine
        Largest centroid cosine; 0 for one category.
    adjustable_cosine
        Largest centroid cosine over the pairs with at most one fixed category.
    moves
        Number of moves of single columns.
    largest_fraction
        Fraction of the columns in the largest category.
    silhouette
        Mean silhouette of the columns, with the projector distance.
    quality
        Quality on held-out rows; None if it was not computed.
    """

    labels: Labels
    distance: str
    num_categories: int
    merged_cosine: float
    cosine: float
    adjustable_cosine: float
    moves: int
    largest_fraction: float
    silhouette: float
    quality: float | None = None

    def summary(self) -> dict[str, float | int | str | None]:
        """Return the rounded scores without the labels, as they are stored in files."""
        return {
            "num_categories": self.num_categories,
            "distance": self.distance,
            "merged_cosine": round(self.merged_cosine, 4),
            "cosine": round(self.cosine, 4),
            "moves": self.moves,
            "largest_fraction": round(self.largest_fraction, 4),
            "silhouette": round(self.silhouette, 4),
            "quality": None if self.quality is None else round(self.quality, 4),
        }


def describe_partition(
    correlation: Floats,
    labels: Labels,
    distance: str,
    *,
    num_fixed: int = 0,
    merged_cosine: float | None = None,
    moves: int = 0,
    bundles: Bundles | None = None,
) -> Candidate:
    """Compute all scores of a partition except the quality, and number its categories by size.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    labels
        Category of each column [D].
    distance
        Distance of the clustering, which is stored with the scores.
    num_fixed
        Number of leading categories that are fixed.
    merged_cosine
        Largest centroid cosine before single columns were moved; None if no column was moved.
    moves
        Number of moves of single columns.
    bundles
        Bundles of columns that ``labels`` assigns to categories. ``correlation`` has their products. None for columns.

    Returns
    -------
    Candidate
    """
    labels = order_by_size(labels, num_fixed)
    groups = groups_of(labels)
    cosine, adjustable_cosine = 0.0, 0.0
    if len(groups) > 1:
        cosines = centroid_cosines(correlation, centroid_weights(correlation, groups))
        cosine, adjustable_cosine = float(cosines.max()), float(adjustable_cosines(cosines, num_fixed).max())
    silhouette = 0.0
    if 2 <= len(groups) < len(labels):
        similarity, weights = (correlation, None) if bundles is None else (bundles.correlation, bundles.sizes)
        silhouette = mean_silhouette(feature_distance(similarity), labels, weights)
    return Candidate(
        labels=labels,
        distance=distance,
        num_categories=len(groups),
        merged_cosine=cosine if merged_cosine is None else merged_cosine,
        cosine=cosine,
        adjustable_cosine=adjustable_cosine,
        moves=moves,
        largest_fraction=max(len(group) for group in groups) / len(labels),
        silhouette=silhouette,
    )
