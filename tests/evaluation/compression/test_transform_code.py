"""The transform code against closed forms and k-means of scikit-learn."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.cluster import KMeans

from spinlock.evaluation.compression.faiss_code import faiss_quality, has_faiss
from spinlock.evaluation.compression.transform_code import fit_quantizer, transform_code_quality
from spinlock.metrics.rate_distortion import gaussian_quality


@pytest.mark.parametrize(("levels", "distortion"), [(2, 0.3634), (4, 0.1175), (8, 0.03454)])
def test_the_quantizer_of_gaussian_values_has_the_distortion_of_max(levels: int, distortion: float) -> None:
    """The distortions are those of table I of Max (1960), which has four digits."""
    points = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert fit_quantizer(points, levels).error == pytest.approx(distortion, abs=5e-5)


def test_a_quantizer_is_a_fixed_point_of_k_means(rng: np.random.Generator) -> None:
    points = np.sort(np.concatenate([rng.normal(center, 0.1, 200) for center in (-4, -1, 2, 5)]))
    fitted = fit_quantizer(points, 4)
    peer = KMeans(4, n_init=10, random_state=0).fit(points[:, None])
    np.testing.assert_allclose(fitted.values, np.sort(peer.cluster_centers_[:, 0]), atol=1e-6)
    assert fitted.error * len(points) == pytest.approx(peer.inertia_, rel=1e-6)


def test_two_gaussian_components_have_the_best_integer_allocation(rng: np.random.Generator) -> None:
    scales = np.array([4.0, 1.0])
    rotation = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    rows = rng.standard_normal((60_000, 2)) * scales @ rotation
    zero, one, two, three, four = transform_code_quality(rows, rows, [0, 1, 2, 3, 4])
    power = float((scales**2).sum())
    assert zero == pytest.approx(0, abs=1e-9)
    assert one == pytest.approx(1 - (16 * 0.3634 + 1) / power, abs=0.01)
    assert two == pytest.approx(1 - (16 * 0.1175 + 1) / power, abs=0.01)
    assert three == pytest.approx(1 - (16 * 0.03454 + 1) / power, abs=0.01)  # gains 1.33 and 0.64
    assert four == pytest.approx(1 - (16 * 0.03454 + 0.3634) / power, abs=0.01)


def test_the_transform_code_is_below_the_gaussian_reference(rng: np.random.Generator) -> None:
    scales = np.exp(-np.arange(20) / 4)
    rows = rng.standard_normal((4000, 20)) * scales
    bits = [5.0, 20.0, 40.0]
    qualities = transform_code_quality(rows, rows, bits)
    assert qualities == sorted(qualities)
    for rate, quality in zip(bits, qualities, strict=True):
        assert gaussian_quality(scales**2, rate) - 0.15 < quality < gaussian_quality(scales**2, rate)


def test_constant_rows_have_quality_one() -> None:
    assert transform_code_quality(np.zeros((5, 3)), np.zeros((4, 3)), [4.0]) == [1.0]


@pytest.mark.skipif(not has_faiss(), reason="faiss is not installed")
def test_faiss_codes_clustered_rows_exactly(rng: np.random.Generator) -> None:
    centers = rng.standard_normal((4, 6)) * 10
    fitted, scored = centers[rng.integers(4, size=400)], centers[rng.integers(4, size=100)]
    bits, quality = faiss_quality(fitted, scored, 6, seed=0)
    assert bits >= 6
    assert quality == pytest.approx(1, abs=1e-4)
