"""The section *topology*: how well distances and neighborhoods are kept, for each prefix of the levels.

Letters: ``m`` rows, ``U`` kept columns, ``E`` dimensions of the points of tokens, ``P`` pairs of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.neighbors import neighbor_overlap
from spinlock.metrics.topography import fixed_rows, pair_distances, topographic_measures
from spinlock.model import LEVELS

RECALL_NEIGHBORS = 10
"""Number of neighbors of the recall."""

BINS = 40
"""Number of bins of each axis of the Shepard diagram."""


@dataclass(frozen=True)
class LevelTopology:
    """Distances between tokens of the first levels, beside distances between features.

    Attributes
    ----------
    levels
        Number of levels.
    pearson, spearman
        Correlations between the pairwise distances.
    trustworthiness, continuity
        Preservation of the neighborhoods of 15 rows, in [0, 1]; None if there are at most 30 rows.
    recall
        Fraction of the 10 nearest rows by features that are among the 10 nearest by tokens; None for at most 10 rows.
    """

    levels: int
    pearson: float
    spearman: float
    trustworthiness: float | None
    continuity: float | None
    recall: float | None


@dataclass(frozen=True)
class Shepard:
    """Numbers of pairs of rows by their two distances.

    Attributes
    ----------
    feature_edges, token_edges
        Edges of the bins of the distance between features, in standard deviations of a column, and between tokens,
        relative to its mean.
    counts
        Number of pairs for each bin of the feature distance and, within it, of the token distance.
    """

    feature_edges: tuple[float, ...]
    token_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Topology:
    """Preservation of distances and neighborhoods.

    Attributes
    ----------
    num_rows
        Number of rows whose pairs are measured.
    by_level
        Measures for the first one, two and three levels.
    shepard
        Shepard diagram of all levels.
    """

    num_rows: int
    by_level: tuple[LevelTopology, ...]
    shepard: Shepard


def measure_topology(rows: EvaluatedRows) -> Topology:
    """Measure distances and neighborhoods of at most 2,000 rows.

    Parameters
    ----------
    rows
        Evaluated rows.

    Returns
    -------
    Topology
    """
    chosen = fixed_rows(len(rows))
    features = rows.z_scores[chosen]
    by_level = []
    for levels in range(1, LEVELS + 1):
        points = rows.points(levels, chosen)
        measures = topographic_measures(features, points)
        by_level.append(
            LevelTopology(
                levels=levels,
                pearson=measures.pearson,
                spearman=measures.spearman,
                trustworthiness=measures.trustworthiness,
                continuity=measures.continuity,
                recall=neighbor_overlap(features, points, RECALL_NEIGHBORS),
            )
        )
    by_features = pair_distances(features) / np.sqrt(features.shape[1])
    by_tokens = pair_distances(rows.points(LEVELS, chosen))
    return Topology(len(chosen), tuple(by_level), shepard(by_features, by_tokens / max(by_tokens.mean(), 1e-12)))


def shepard(features: NDArray[np.float64], tokens: NDArray[np.float64]) -> Shepard:
    """Return the Shepard diagram of distances [P] between features and between tokens.

    The axes end at the 99.9th percentiles, so that a single outlying row does not fill the diagram.
    """
    limits = [max(float(np.quantile(distances, 0.999)), 1e-12) for distances in (features, tokens)]
    counts, first, second = np.histogram2d(
        np.minimum(features, limits[0]),
        np.minimum(tokens, limits[1]),
        bins=BINS,
        range=[(0.0, limit) for limit in limits],
    )
    return Shepard(
        feature_edges=tuple(first.tolist()),
        token_edges=tuple(second.tolist()),
        counts=tuple(tuple(int(count) for count in row) for row in counts),
    )
