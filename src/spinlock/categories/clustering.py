"""Over-segment the columns by Ward linkage, then merge the pair of categories whose centroids correlate most.

Ward linkage (Ward, 1963) wants a Euclidean distance. sqrt(2 (1 - r^2)) is one, the distance between the projectors on
two columns; sqrt(2 (1 - |r|)) is a metric that is not Euclidean but works in practice. Both are tried. Merging by
centroid correlation is what lowers the orthogonality that the metric measures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from spinlock.categories.partition import Floats, Labels, groups_of, merged
from spinlock.metrics.centroids import centroid_cosines, centroid_weights, loading_signs

DistanceKind = Literal["projector", "absolute"]

DISTANCES: dict[DistanceKind, Callable[[Floats], Floats]] = {
    "projector": lambda r: np.asarray(1 - r**2),
    "absolute": lambda r: np.asarray(1 - np.abs(r)),
}


def feature_distance(correlation: Floats, kind: DistanceKind = "projector") -> Floats:
    """sqrt(2 (1 - r^2)) or sqrt(2 (1 - |r|)) [D, D], zero on the diagonal."""
    distance = np.sqrt(2 * np.maximum(DISTANCES[kind](correlation), 0.0))
    np.fill_diagonal(distance, 0.0)
    symmetric: Floats = (distance + distance.T) / 2
    return symmetric


def mean_silhouette(distance: Floats, labels: Labels) -> float:
    """mean_i (b_i - a_i) / max(a_i, b_i) of points with distances [D, D] in two or more clusters [D]; -1 to 1.

    a_i is the mean distance to the other points of the own cluster, b_i that to the nearest other cluster; a point that
    is alone in its cluster counts 0 (Rousseeuw, 1987). scikit-learn has it too, but takes a second to import.
    """
    one_hot = np.eye(int(labels.max()) + 1)[labels]
    sizes = one_hot.sum(0)
    total = distance @ one_hot
    own = sizes[labels] - 1
    every = np.arange(len(labels))
    within = total[every, labels] / np.maximum(own, 1)
    others = total / sizes
    others[every, labels] = np.inf
    nearest = others.min(1)
    width = (nearest - within) / np.maximum(np.maximum(nearest, within), 1e-300)
    return float(np.where(own > 0, width, 0.0).mean())


def ward_labels(correlation: Floats, count: int, kind: DistanceKind) -> Labels:
    """At most ``count`` clusters [D] by Ward linkage."""
    if len(correlation) < 2 or count < 2:
        return np.zeros(len(correlation), dtype=np.int64)
    tree = linkage(squareform(feature_distance(correlation, kind), checks=False), "ward")
    return np.asarray(fcluster(tree, count, "maxclust"), dtype=np.int64) - 1


def absorb_small(correlation: Floats, labels: Labels, minimum: int, fixed: int = 0) -> Labels:
    """Join every category of fewer than ``minimum`` columns to the one whose centroid it correlates with most.

    The first ``fixed`` categories are neither joined nor joined to.
    """
    while True:
        sizes = np.bincount(labels)[fixed:]
        if len(sizes) < 2 or sizes.min() >= minimum:
            return labels
        small = fixed + int(sizes.argmin())
        cosine = centroid_cosines(correlation, centroid_weights(correlation, groups_of(labels)))[small]
        cosine[:fixed] = -1.0
        cosine[small] = -1.0
        labels = merged(labels, small, int(cosine.argmax()))


def merge_path(correlation: Floats, labels: Labels, fixed: int = 0) -> dict[int, Labels]:
    """Partitions by their number of categories, from the given one down to one discovered category.

    Each step joins the two discovered categories (numbers from ``fixed`` on) whose centroids correlate most.
    """
    weights = centroid_weights(correlation, groups_of(labels))
    path = {len(weights): labels}
    while len(weights) - fixed > 1:
        cosine = centroid_cosines(correlation, weights)
        cosine[:fixed] = -1.0
        cosine[:, :fixed] = -1.0
        np.fill_diagonal(cosine, -1.0)
        first, second = sorted(int(i) for i in np.unravel_index(cosine.argmax(), cosine.shape))
        labels = merged(labels, first, second)
        weights = np.delete(weights, second, axis=0)
        members = np.flatnonzero(labels == first)
        weights[first] = 0.0
        weights[first, members] = loading_signs(correlation[np.ix_(members, members)])
        path[len(weights)] = labels
    return path
