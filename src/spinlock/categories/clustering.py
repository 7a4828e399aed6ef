"""Ward clustering of the columns, and merging of the categories with the most similar centroids.

Ward linkage (Ward, 1963) requires a Euclidean distance. sqrt(2 (1 - r^2)) is Euclidean: it is the Frobenius distance
between the projectors onto two columns. sqrt(2 (1 - |r|)) is a metric but not Euclidean; it also gives good partitions.
Discovery tries both. Merging the categories whose centroids have the largest cosine reduces the largest centroid
cosine, which is the orthogonality metric.

Letters: ``D`` columns, ``C`` categories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from spinlock.categories.partition import Floats, Labels, groups_of, merge_labels
from spinlock.metrics.centroids import centroid_cosines, centroid_weights, loading_signs

DistanceKind = Literal["projector", "absolute"]

DISTANCES: dict[DistanceKind, Callable[[Floats], Floats]] = {
    "projector": lambda r: np.asarray(1 - r**2),
    "absolute": lambda r: np.asarray(1 - np.abs(r)),
}
"""Half of the squared distance as a function of the correlation."""


def feature_distance(correlation: Floats, kind: DistanceKind = "projector") -> Floats:
    """Return sqrt(2 (1 - r^2)) (``projector``) or sqrt(2 (1 - |r|)) (``absolute``).

    Parameters
    ----------
    correlation
        Correlations [D, D].
    kind
        Name of the distance.

    Returns
    -------
    numpy.ndarray
        Symmetric distances [D, D] with zeros on the diagonal.
    """
    distance = np.sqrt(2 * np.maximum(DISTANCES[kind](correlation), 0.0))
    np.fill_diagonal(distance, 0.0)
    symmetric: Floats = (distance + distance.T) / 2
    return symmetric


def mean_silhouette(distance: Floats, labels: Labels, weights: Floats | None = None) -> float:
    """Return mean_i (b_i - a_i) / max(a_i, b_i), the silhouette of a partition (Rousseeuw, 1987).

    a_i is the mean distance to the other columns of the same category, and b_i the mean distance to the columns of the
    nearest other category. The silhouette of a column that is alone in its category is 0. scikit-learn has the same
    function, but importing it takes a second.

    Parameters
    ----------
    distance
        Distances [D, D].
    labels
        Category of each column [D], with at least two categories.
    weights
        Number of columns that each entry of ``labels`` stands for; one if None.

    Returns
    -------
    float
        A value in [-1, 1].
    """
    weights = np.ones(len(labels)) if weights is None else weights
    one_hot = np.eye(int(labels.max()) + 1)[labels] * weights[:, None]
    sizes = one_hot.sum(0)
    total = distance @ one_hot
    others = sizes[labels] - weights
    columns = np.arange(len(labels))
    within = total[columns, labels] / np.maximum(others, 1)
    mean_distance = total / sizes
    mean_distance[columns, labels] = np.inf
    nearest = mean_distance.min(1)
    silhouette = (nearest - within) / np.maximum(np.maximum(nearest, within), 1e-300)
    return float(np.average(np.where(others > 0, silhouette, 0.0), weights=weights))


def ward_labels(correlation: Floats, count: int, kind: DistanceKind) -> Labels:
    """Cluster the columns by Ward linkage.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    count
        Maximum number of clusters.
    kind
        Distance between columns; see :func:`feature_distance`.

    Returns
    -------
    numpy.ndarray
        Cluster of each column [D].
    """
    if len(correlation) < 2 or count < 2:
        return np.zeros(len(correlation), dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster  # the import takes long, and encoding does not need it

    return np.asarray(fcluster(ward_tree(correlation, kind), count, "maxclust"), dtype=np.int64) - 1


def ward_tree(correlation: Floats, kind: DistanceKind = "projector") -> Floats:
    """Return the Ward tree [D - 1, 4] of at least two columns with correlations [D, D], in the format of SciPy."""
    from scipy.cluster.hierarchy import linkage  # the import takes long, and encoding does not need it
    from scipy.spatial.distance import squareform

    return np.asarray(linkage(squareform(feature_distance(correlation, kind), checks=False), "ward"))


def absorb_small(
    correlation: Floats, labels: Labels, min_features: int, num_fixed: int = 0, sizes: Floats | None = None
) -> Labels:
    """Merge each category that is too small into the category with the most similar centroid, the smallest first.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    labels
        Category of each column [D].
    min_features
        Minimum number of columns of a category.
    num_fixed
        Number of leading categories that are fixed: they are not merged and receive no columns.
    sizes
        Number of columns that each entry of ``labels`` stands for; one if None.

    Returns
    -------
    numpy.ndarray
        Category of each column [D]. If only one category is not fixed, it may be too small.
    """
    while True:
        columns = np.bincount(labels, sizes)[num_fixed:]
        if len(columns) < 2 or columns.min() >= min_features:
            return labels
        small = num_fixed + int(columns.argmin())
        cosine = centroid_cosines(correlation, centroid_weights(correlation, groups_of(labels)))[small]
        cosine[:num_fixed] = -1.0
        cosine[small] = -1.0
        labels = merge_labels(labels, small, int(cosine.argmax()))


def merge_path(correlation: Floats, labels: Labels, num_fixed: int = 0) -> dict[int, Labels]:
    """Merge the two categories with the most similar centroids, until one category remains.

    Parameters
    ----------
    correlation
        Correlations [D, D].
    labels
        Category of each column [D] in the initial partition.
    num_fixed
        Number of leading categories that are fixed and are not merged.

    Returns
    -------
    dict
        The initial partition and the partition after each merge, by their number of categories.
    """
    weights = centroid_weights(correlation, groups_of(labels))
    path = {len(weights): labels}
    while len(weights) - num_fixed > 1:
        cosine = centroid_cosines(correlation, weights)
        cosine[:num_fixed] = -1.0
        cosine[:, :num_fixed] = -1.0
        np.fill_diagonal(cosine, -1.0)
        first, second = sorted(int(i) for i in np.unravel_index(cosine.argmax(), cosine.shape))
        labels = merge_labels(labels, first, second)
        weights = np.delete(weights, second, axis=0)
        members = np.flatnonzero(labels == first)
        weights[first] = 0.0
        weights[first, members] = loading_signs(correlation[np.ix_(members, members)])
        path[len(weights)] = labels
    return path
