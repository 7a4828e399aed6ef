"""Reverse water-filling against bisection and closed forms."""

import numpy as np
import pytest

from spinlock.metrics.rate_distortion import (
    at_level,
    gaussian_bits,
    gaussian_quality,
    water_filling,
)


def bisect_water_level(eigenvalues: np.ndarray, bits: float) -> tuple[float, float]:
    """Water level and distortion by bisection of the rate."""
    low, high = 1e-30, float(eigenvalues.max())
    for _ in range(300):
        level = np.sqrt(low * high)
        rate = sum(max(0.0, 0.5 * np.log2(value / level)) for value in eigenvalues if value > 0)
        low, high = (level, high) if rate > bits else (low, level)
    return level, float(np.minimum(eigenvalues, level).sum())


@pytest.mark.parametrize("bits", [0.3, 2.0, 7.5, 40.0])
def test_level_and_distortion_agree_with_bisection(rng: np.random.Generator, bits: float) -> None:
    eigenvalues = rng.exponential(size=12) ** 3
    level, distortion = bisect_water_level(eigenvalues, bits)
    filled = water_filling(eigenvalues, bits)
    assert filled.level == pytest.approx(level, rel=1e-9)
    assert filled.distortion == pytest.approx(distortion, rel=1e-9)
    assert filled.bits == bits


def test_equal_eigenvalues_have_equal_rates() -> None:
    filled = water_filling(np.full(8, 3.0), 16.0)
    assert filled.level == pytest.approx(3.0 * 2 ** (-2 * 16 / 8))
    assert gaussian_quality(np.full(8, 3.0), 16.0) == pytest.approx(1 - 2**-4)


def test_distortion_of_one_component_equals_its_closed_form() -> None:
    assert water_filling(np.array([5.0]), 3.0).distortion == pytest.approx(5.0 * 2**-6)


def test_zero_bits_have_zero_quality() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):  # by rounding, the level can be above or below the largest eigenvalue
        eigenvalues = rng.exponential(size=rng.integers(1, 6))
        filled = water_filling(eigenvalues, 0.0)
        assert filled.level == pytest.approx(eigenvalues.max())
        assert gaussian_quality(eigenvalues, 0.0) == pytest.approx(0.0, abs=1e-12)


def test_zero_and_slightly_negative_eigenvalues_need_no_bits() -> None:
    positive = np.array([2.0, 1.0, 0.5])
    padded = np.array([0.0, 2.0, -1e-17, 1.0, 0.5, 0.0])
    assert water_filling(padded, 4.0) == water_filling(positive, 4.0)
    assert gaussian_quality(np.zeros(3), 4.0) == 1.0


def test_rate_at_a_level_inverts_water_filling(rng: np.random.Generator) -> None:
    eigenvalues = rng.exponential(size=9)
    filled = water_filling(eigenvalues, 6.0)
    inverse = at_level(eigenvalues, filled.level)
    assert inverse.bits == pytest.approx(6.0)
    assert inverse.distortion == pytest.approx(filled.distortion)


def test_quality_increases_with_the_bits(rng: np.random.Generator) -> None:
    eigenvalues = rng.exponential(size=20)
    qualities = [gaussian_quality(eigenvalues, bits) for bits in range(0, 60, 5)]
    assert np.all(np.diff(qualities) > 0)
    assert qualities[-1] < 1


@pytest.mark.parametrize("quality", [0.0, 0.3, 0.9, 0.999])
def test_gaussian_bits_inverts_gaussian_quality(rng: np.random.Generator, quality: float) -> None:
    eigenvalues = np.concatenate([rng.gamma(0.5, size=40), [0.0, -1e-12]])
    bits = gaussian_bits(eigenvalues, quality)
    assert gaussian_quality(eigenvalues, bits) == pytest.approx(quality, abs=1e-9)


def test_bits_of_one_component_equal_the_closed_form() -> None:
    assert gaussian_bits(np.array([4.0]), 0.75) == pytest.approx(1.0)
    assert gaussian_bits(np.array([0.0, 0.0]), 0.9) == 0.0
