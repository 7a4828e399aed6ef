"""Topology by level against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr
from sklearn.manifold import trustworthiness

from spinlock.evaluation.topology import measure_topology, shepard
from tests.evaluation.conftest import Case
from tests.metrics.test_topography import trustworthiness_by_definition


def test_measures_of_each_level_are_those_of_other_programs(case: Case) -> None:
    result = measure_topology(case.rows)
    features = case.rows.z_scores.astype(np.float64)
    for levels, measured in enumerate(result.by_level, 1):
        points = case.rows.points(levels).astype(np.float64)
        distances = pdist(features), pdist(points)
        assert measured.pearson == pytest.approx(pearsonr(*distances).statistic, abs=1e-6)
        assert measured.spearman == pytest.approx(spearmanr(*distances).statistic, abs=1e-6)
        assert measured.trustworthiness == pytest.approx(trustworthiness_by_definition(features, points), abs=1e-6)
        assert measured.continuity == pytest.approx(trustworthiness_by_definition(points, features), abs=1e-6)
        assert measured.recall == pytest.approx(recall_by_definition(features, points), abs=1e-6)
        if len(np.unique(distances[1])) == len(distances[1]):  # scikit-learn orders neighbors at equal distances freely
            assert measured.trustworthiness == pytest.approx(
                trustworthiness(features, points, n_neighbors=15), abs=1e-6
            )
            assert measured.continuity == pytest.approx(trustworthiness(points, features, n_neighbors=15), abs=1e-6)
    assert result.num_rows == len(case.rows)


def recall_by_definition(first: np.ndarray, second: np.ndarray) -> float:
    """The fraction of the 10 nearest rows that two maps have in common; ties are in the order of the rows."""
    shared = 0
    distances = squareform(pdist(first)), squareform(pdist(second))
    for i in range(len(first)):
        others = [j for j in range(len(first)) if j != i]
        near, far = (set(sorted(others, key=lambda j, d=d: (d[i, j], j))[:10]) for d in distances)
        shared += len(near & far)
    return shared / (10 * len(first))


def test_the_shepard_diagram_counts_all_pairs(rng: np.random.Generator) -> None:
    first, second = rng.random(1000), rng.random(1000)
    diagram = shepard(first, second)
    counts = np.array(diagram.counts)
    assert counts.sum() == 1000
    assert counts.shape == (len(diagram.feature_edges) - 1, len(diagram.token_edges) - 1)
    assert diagram.feature_edges[-1] == pytest.approx(np.quantile(first, 0.999))


def test_equal_rows_have_a_diagram() -> None:
    assert np.array(shepard(np.zeros(6), np.zeros(6)).counts).sum() == 6
