"""The Gaussian reference of a table against water-filling, and its covariance against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from spinlock.metrics import gaussian_source
from spinlock.metrics.gaussian_reference import GaussianReference, held_out_quality
from spinlock.metrics.gaussian_source import MatrixSource, RowSource, Shrinkage, shrunk_covariance
from spinlock.metrics.rate_distortion import gaussian_quality


def test_held_out_quality_equals_the_training_quality_if_variances_equal_the_eigenvalues(
    rng: np.random.Generator,
) -> None:
    eigenvalues = np.append(rng.exponential(size=10), 0.0)
    for bits in (0.0, 3.0, 20.0):
        expected = gaussian_quality(eigenvalues, bits)
        assert held_out_quality(eigenvalues, eigenvalues, bits) == pytest.approx(expected, abs=1e-12)


def test_held_out_variance_in_directions_without_training_variance_is_lost() -> None:
    eigenvalues, held_out = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    assert held_out_quality(eigenvalues, held_out, 2.0) == pytest.approx(1 - (2**-4 + 1) / 2)
    assert held_out_quality(np.zeros(2), held_out, 2.0) == 0.0
    assert held_out_quality(eigenvalues, np.zeros(2), 2.0) == 1.0


@pytest.mark.parametrize(("rows", "columns"), [(50, 30), (20, 40), (500, 5), (2, 3)])
def test_the_shrunk_covariance_equals_that_of_scikit_learn(rng: np.random.Generator, rows: int, columns: int) -> None:
    x = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    expected = LedoitWolf(assume_centered=True).fit(x).covariance_
    np.testing.assert_allclose(shrunk_covariance(x), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(("rows", "columns"), [(20, 40), (50, 30)])
def test_the_spectrum_from_rows_equals_that_of_the_matrices(rng: np.random.Generator, rows: int, columns: int) -> None:
    train = rng.standard_normal((rows, 12)) @ rng.standard_normal((12, columns)) + rng.standard_normal((rows, columns))
    held_out = rng.standard_normal((9, columns))
    shrinkage = Shrinkage.of(train, train @ train.T / rows)
    by_rows = GaussianReference(RowSource(train, held_out, shrinkage), True)
    by_matrix = GaussianReference(MatrixSource(shrunk_covariance(train), held_out.T @ held_out / 9), True)
    some = rng.permutation(columns)[:8].tolist()
    for one, other in ((by_rows, by_matrix), (by_rows.of_columns(some), by_matrix.of_columns(some))):
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=1e-9)
        assert one.held_out_variance == pytest.approx(other.held_out_variance, rel=1e-12)
        for bits in (0.0, 5.0, 40.0):
            assert one.held_out(bits) == pytest.approx(other.held_out(bits), abs=1e-9)
            assert one.training(bits) == pytest.approx(other.training(bits), abs=1e-9)


def test_a_covariance_proportional_to_the_identity_is_not_changed() -> None:
    np.testing.assert_allclose(shrunk_covariance(np.array([[2.0, 0.0], [0.0, 2.0]])), 2 * np.eye(2))


@pytest.fixture
def reference(rng: np.random.Generator) -> GaussianReference:
    mixing = rng.standard_normal((6, 6))
    return GaussianReference.from_rows(rng.standard_normal((600, 6)) @ mixing, rng.standard_normal((50, 6)) @ mixing)


def test_the_reference_has_the_covariance_of_training_rows_and_the_variances_of_held_out_rows(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaussian_source, "BLOCK", 7)
    train, held_out = (rng.standard_normal((count, 4)).astype(np.float32) for count in (80, 20))
    reference = GaussianReference.from_rows(train, held_out)
    train, held_out = train.astype(np.float64), held_out.astype(np.float64)
    values, vectors = np.linalg.eigh(train.T @ train / 80)
    np.testing.assert_allclose(reference.eigenvalues, values, rtol=1e-10)
    np.testing.assert_allclose(reference.variances, np.square(held_out @ vectors).mean(0), rtol=1e-10)
    assert not reference.shrunk
    assert GaussianReference.from_rows(train[:39], held_out).shrunk


@pytest.mark.parametrize("quality", [0.0, 0.5, 0.9, 0.99])
def test_the_bits_of_a_quality_invert_the_reference(reference: GaussianReference, quality: float) -> None:
    assert reference.training(reference.training_bits(quality)) == pytest.approx(quality, abs=1e-9)
    bits = reference.held_out_bits(quality)
    assert reference.held_out(bits) == pytest.approx(quality, abs=1e-9) or bits < 1e-9


def test_a_quality_that_no_rate_reaches_needs_infinitely_many_bits() -> None:
    reference = GaussianReference(MatrixSource(np.diag([1.0, 0.0]), np.eye(2)), False)
    assert reference.held_out_bits(0.6) == math.inf
    assert reference.held_out_bits(0.4) == pytest.approx(0.5 * np.log2(1 / 0.2))


def test_the_reference_of_some_columns_ignores_the_others(rng: np.random.Generator) -> None:
    train, held_out = rng.standard_normal((200, 5)), rng.standard_normal((30, 5))
    some = GaussianReference.from_rows(train, held_out).of_columns([0, 3])
    alone = GaussianReference.from_rows(train[:, [0, 3]], held_out[:, [0, 3]])
    for bits in (0.0, 1.0, 5.0):
        assert some.held_out(bits) == pytest.approx(alone.held_out(bits), rel=1e-12)
        assert some.training(bits) == pytest.approx(alone.training(bits), rel=1e-12)
