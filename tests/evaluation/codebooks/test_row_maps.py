"""Maps of rows: the same coordinates for every number of threads, equal rows, neighbors and principal components."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_info, threadpool_limits

from spinlock.evaluation.codebooks import row_maps
from spinlock.evaluation.codebooks.row_maps import find_neighbors, make_row_maps, principal_components
from spinlock.metrics.neighbors import nearest_neighbors

PROGRAM = """
import sys
sys.modules["umap"] = None
import numpy as np
from spinlock.evaluation.codebooks.row_maps import make_row_maps
rows = np.random.default_rng(0).standard_normal((400, 30)).astype(np.float32)
(row_map,) = make_row_maps(rows, 5, lambda name: None)
sys.stdout.buffer.write(row_map.coordinates.tobytes())
"""


def coordinates_with_threads(count: int) -> bytes:
    environment = os.environ | {name: str(count) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True).stdout


def test_coordinates_are_equal_with_one_and_four_threads() -> None:
    first = coordinates_with_threads(1)
    assert len(first) == 400 * 2 * 8
    assert coordinates_with_threads(4) == first


def test_maps_are_computed_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of several threads depend on their number; the test above would notice it on some machines only."""
    threads: list[int] = []

    def record(points: NDArray[np.float64], perplexity: float, seed: int) -> NDArray[np.float64]:
        threads.extend(info["num_threads"] for info in threadpool_info())
        return points[:, :2]

    monkeypatch.setattr(row_maps, "_tsne", record)
    monkeypatch.setitem(sys.modules, "umap", None)
    with threadpool_limits(2):
        make_row_maps(np.random.default_rng(0).standard_normal((20, 3)), 0, lambda name: None)
    assert set(threads) == {1}


@pytest.fixture
def _without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.mark.usefixtures("_without_umap")
def test_equal_rows_have_equal_coordinates_and_clusters_are_apart() -> None:
    random = np.random.default_rng(1)
    rows = np.concatenate([random.standard_normal((40, 6)), 30 + random.standard_normal((40, 6))])
    rows[5] = rows[50] = rows[3]
    steps: list[str] = []
    (row_map,) = make_row_maps(rows, 0, steps.append)
    assert steps == ["t-SNE"]
    assert row_map.name == "t-SNE"
    np.testing.assert_array_equal(row_map.coordinates[[5, 50]], row_map.coordinates[[3, 3]])
    left, right = row_map.coordinates[:40], np.delete(row_map.coordinates[40:], 10, axis=0)
    gap = np.linalg.norm(left.mean(0) - right.mean(0))
    assert gap > 2 * max(np.linalg.norm(part - part.mean(0), axis=1).mean() for part in (left, right))


@pytest.mark.usefixtures("_without_umap")
def test_too_few_distinct_rows_have_no_map() -> None:
    rows = np.repeat(np.eye(9), 20, axis=0)
    assert make_row_maps(rows, 0, lambda name: None) == ()


@pytest.mark.slow
def test_umap_keeps_clusters_and_is_seeded() -> None:
    if not row_maps.has_umap():
        pytest.skip("umap-learn, an extra, is not installed, so UMAP was not tested")
    random = np.random.default_rng(1)
    rows = np.concatenate([random.standard_normal((40, 6)), 30 + random.standard_normal((40, 6))])
    first, second = (make_row_maps(rows, 3, lambda name: None)[1] for _ in range(2))
    assert first.name == "UMAP"
    np.testing.assert_array_equal(first.coordinates, second.coordinates)
    gap = np.linalg.norm(first.coordinates[:40].mean(0) - first.coordinates[40:].mean(0))
    assert gap > 2 * first.coordinates[:40].std()


def test_principal_components_are_those_of_scikit_learn_up_to_signs() -> None:
    points = np.random.default_rng(2).standard_normal((50, 7)) * np.arange(1, 8)
    expected = PCA(3).fit_transform(points)
    np.testing.assert_allclose(np.abs(principal_components(points, 3)), np.abs(expected), atol=1e-9)


def test_missing_principal_components_are_zero() -> None:
    points = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 3.0]])
    np.testing.assert_allclose(principal_components(points, 2), [[-1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(principal_components(points[:1], 2), [[0.0, 0.0]])


def test_neighbors_are_the_nearest_rows() -> None:
    rows = np.random.default_rng(3).standard_normal((60, 4))
    found = find_neighbors(rows)
    np.testing.assert_array_equal(found.indices, nearest_neighbors(rows, 10))
    expected = np.linalg.norm(rows[found.indices] - rows[:, None], axis=2)
    np.testing.assert_allclose(found.distances, expected, atol=1e-6)
    assert find_neighbors(rows[:4]).indices.shape == (4, 3)
