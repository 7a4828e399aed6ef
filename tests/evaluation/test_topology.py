"""Topology by level against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr
from sklearn.manifold import trustworthiness

from spinlock.evaluation.topology import measure_topology, shepard
from spinlock.metrics.neighbors import neighbor_overlap
from tests.evaluation.conftest import Case


def test_measures_of_each_level_are_those_of_other_programs(case: Case) -> None:
    result = measure_topology(case.rows)
    features = case.rows.z_scores.astype(np.float64)
    for levels, measured in enumerate(result.by_level, 1):
        points = case.rows.points(levels).astype(np.float64)
        distances = pdist(features), pdist(points)
        assert measured.pearson == pytest.approx(pearsonr(*distances).statistic, abs=1e-6)
        assert measured.spearman == pytest.approx(spearmanr(*distances).statistic, abs=2e-4)  # ties are rounded
        assert measured.recall == neighbor_overlap(features, points, 10)
    assert result.by_level[-1].trustworthiness == pytest.approx(
        trustworthiness(features, case.rows.points(3).astype(np.float64), n_neighbors=15), abs=5e-3
    )
    assert result.num_rows == len(case.rows)


def test_the_shepard_diagram_counts_all_pairs(rng: np.random.Generator) -> None:
    first, second = rng.random(1000), rng.random(1000)
    diagram = shepard(first, second)
    counts = np.array(diagram.counts)
    assert counts.sum() == 1000
    assert counts.shape == (len(diagram.feature_edges) - 1, len(diagram.token_edges) - 1)
    assert diagram.feature_edges[-1] == pytest.approx(np.quantile(first, 0.999))


def test_equal_rows_have_a_diagram() -> None:
    assert np.array(shepard(np.zeros(6), np.zeros(6)).counts).sum() == 6
