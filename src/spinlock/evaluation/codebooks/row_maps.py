"""Maps of rows in two dimensions: t-SNE (van der Maaten and Hinton, 2008) and UMAP (McInnes et al., 2018).

Both are computed from z-scored, clipped features, not from tokens, so that the colors of tokens on a map are not a
consequence of the map. Equal rows have equal coordinates: a map is fitted to the distinct rows.

Letters: ``p`` rows of the map, ``d`` distinct rows, ``U`` columns, ``k`` neighbors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PERPLEXITY, UMAP_NEIGHBORS, UMAP_MIN_DISTANCE = 30.0, 15, 0.1
"""Usual values of the effective number of neighbors of both methods, and of the minimum distance of UMAP."""

MAX_COMPONENTS = 50
"""Number of principal components from which the maps are computed, as is usual for t-SNE."""

ROUNDING = 1e-9
"""Fraction of the largest component below which a component is a rounding error."""

MIN_ROWS = 10
"""Minimum number of distinct rows of a map."""

NUM_NEIGHBORS = 10
"""Number of nearest rows of each row."""


@dataclass(frozen=True, eq=False)
class RowMap:
    """Coordinates of rows.

    Attributes
    ----------
    name
        ``t-SNE`` or ``UMAP``.
    coordinates
        Coordinates [p, 2]; they have no unit.
    settings
        {parameter: value} of the method.
    """

    name: str
    coordinates: Floats
    settings: dict[str, float]


@dataclass(frozen=True, eq=False)
class MapNeighbors:
    """The nearest other rows of each row by z-scored features.

    Attributes
    ----------
    indices
        Indices [p, k] of rows of the map, nearest first.
    distances
        Euclidean distances [p, k] in standard deviations.
    """

    indices: Integers
    distances: Floats


def has_umap() -> bool:
    """Return whether umap-learn is installed."""
    return find_spec("umap") is not None


def find_neighbors(z_scores: NDArray[Any]) -> MapNeighbors:
    """Return the :data:`NUM_NEIGHBORS` nearest other rows of rows [p, U], or fewer if there are not as many rows."""
    from sklearn.neighbors import NearestNeighbors

    count = min(NUM_NEIGHBORS, len(z_scores) - 1)
    with threadpool_limits(1):
        search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(z_scores.astype(np.float64))
        distances, indices = search.kneighbors()
    return MapNeighbors(indices.astype(np.int64), distances)


def make_row_maps(z_scores: NDArray[Any], seed: int, advance: Callable[[str], None]) -> tuple[RowMap, ...]:
    """Compute the t-SNE map, and the UMAP map if umap-learn is installed.

    Both use one thread, since sums of several threads depend on their number.

    Parameters
    ----------
    z_scores
        Rows [p, U], z-scored and clipped.
    seed
        Seed of both methods.
    advance
        Called with the name of each map before it is computed.

    Returns
    -------
    tuple of RowMap
        Empty if there are fewer than :data:`MIN_ROWS` distinct rows.
    """
    distinct, copies = np.unique(z_scores, axis=0, return_inverse=True)
    if len(distinct) < MIN_ROWS:
        return ()
    with threadpool_limits(1):
        return tuple(
            RowMap(name, coordinates[copies.ravel()], settings)
            for name, coordinates, settings in _maps(distinct.astype(np.float64), seed, advance)
        )


def _maps(
    distinct: Floats, seed: int, advance: Callable[[str], None]
) -> Iterator[tuple[str, Floats, dict[str, float]]]:
    """Yield name, coordinates [d, 2] and settings of each map of distinct rows [d, U]."""
    points = principal_components(distinct, MAX_COMPONENTS)
    advance("t-SNE")
    settings = {"perplexity": min(PERPLEXITY, (len(points) - 1) / 3), "seed": seed}
    yield "t-SNE", _tsne(points, settings["perplexity"], seed), settings
    if has_umap():
        advance("UMAP")
        neighbors = min(UMAP_NEIGHBORS, len(points) - 1)
        settings = {"n_neighbors": neighbors, "min_dist": UMAP_MIN_DISTANCE, "seed": seed}
        yield "UMAP", _umap(points, neighbors, seed), settings


def principal_components(points: Floats, count: int) -> Floats:
    """Return the first principal components [n, count] of points [n, D], or fewer; zeros fill missing ones up to two.

    The sign of a component is the one with which its largest loading is positive.
    """
    centered = points - points.mean(0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    axes = axes[:count]
    largest = np.abs(axes).argmax(1)
    axes = axes * np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)[:, None]
    components: Floats = centered @ axes.T
    components[np.abs(components) <= ROUNDING * np.abs(components).max(initial=0.0)] = 0.0
    return np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))


def _tsne(points: Floats, perplexity: float, seed: int) -> Floats:
    """Return the coordinates of the t-SNE map, which starts at the first two principal components."""
    from sklearn.manifold import TSNE

    model = TSNE(init="pca", learning_rate="auto", perplexity=perplexity, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(points), dtype=np.float64)


def _umap(points: Floats, neighbors: int, seed: int) -> Floats:
    """Return the coordinates of the UMAP map, which starts at the first two principal components."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # it warns that its parametric variant needs tensorflow
        from umap import UMAP

    model = UMAP(n_neighbors=neighbors, min_dist=UMAP_MIN_DISTANCE, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(points), dtype=np.float64)
