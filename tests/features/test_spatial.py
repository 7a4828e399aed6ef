"""Spatial features of waves, samples of known distribution and fields of known correlation."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats

from spinlock.features import spatial
from spinlock.features.run import Run
from tests.features.signals import Floats, check_degenerate, check_rows, noise, values

POINTS = 4096


def frame_features(run: Run) -> dict[str, float]:
    return values(lambda run: spatial.compute(run).mean(1), spatial.FEATURES, run)


def line(values: Floats) -> Run:
    """One frame of a field on a line."""
    return Run(torch.from_numpy(values).float()[None, None, None, None])


def plane(values: Floats) -> Run:
    """One frame of a field [H, W]."""
    return Run(torch.from_numpy(values).float()[None, None, None])


def waves(parts: list[tuple[int, int, float]], shape: tuple[int, int] = (48, 64)) -> Run:
    """Sum of waves (k_x, k_y, amplitude)."""
    y, x = np.meshgrid(*(np.arange(size) / size for size in shape), indexing="ij")
    return plane(np.asarray(sum(a * np.sin(2 * np.pi * (k_x * x + k_y * y) + k_x) for k_x, k_y, a in parts)))


def filtered(power: Floats, rng: np.random.Generator) -> Floats:
    """A field of the given power [H, W] at each wave vector and of random phases."""
    phases = np.fft.fft2(rng.standard_normal(power.shape))
    return np.fft.ifft2(phases / np.abs(phases) * np.sqrt(power)).real


def squared_wavenumbers(height: int, width: int) -> Floats:
    rows, columns = np.fft.fftfreq(height, 1 / height), np.fft.fftfreq(width, 1 / width)
    return rows[:, None] ** 2 + columns**2


RNG = np.random.default_rng(0)
SINE = line(1 + 2 * np.sin(2 * np.pi * (np.arange(POINTS) + 0.5) / POINTS))
EXPONENTIAL = line(-np.log1p(-(np.arange(POINTS) + 0.5) / POINTS))
QUARTER = plane((np.arange(256) % 4 == 0).astype(float).reshape(16, 16))
LENGTH = 0.04
GAUSSIAN = plane(filtered(np.exp(-2 * (np.pi * LENGTH) ** 2 * squared_wavenumbers(64, 64)), RNG))
ARCSINE = np.diff(np.arcsin(np.linspace(-1, 1, 33))) / math.pi
ARGUMENT = optimize.brentq(lambda x: special.j0(x) - math.exp(-1), 0.0, 2.4)

KNOWN: dict[str, tuple[Run, float, float]] = {
    "mean": (SINE, math.asinh(1), 1e-6),
    "std": (SINE, math.log10(math.sqrt(2)), 1e-6),
    "skewness": (QUARTER, math.asinh(2 / math.sqrt(3)), 1e-5),
    "kurtosis": (SINE, math.asinh(-1.5), 1e-5),
    "min": (SINE, math.asinh(-1), 1e-6),
    "max": (SINE, math.asinh(3), 1e-6),
    **{name: (SINE, math.asinh(1 - 2 * math.cos(math.pi * q)), 1e-3) for name, q in spatial.QUANTILES.items()},
    "iqr": (SINE, 2.0, 1e-3),
    "mad": (EXPONENTIAL, 2 * math.asinh(0.5) / math.log(3), 1e-3),
    "histogram_entropy": (SINE, stats.entropy(ARCSINE) / math.log(32), 1e-3),
    "gradient_mean": (SINE, math.log10(8), 1e-4),
    "gradient_std": (SINE, math.asinh(math.sqrt(math.pi**2 / 8 - 1)), 1e-3),
    "gradient_max": (SINE, math.log(math.pi / 2), 1e-3),
    "gradient_anisotropy": (waves([(2, 0, 1.0), (1, 1, 1.0)]), math.hypot(4, 2) / 6, 1e-5),
    "laplacian_std": (waves([(2, 0, 1.0), (0, 3, 1.0)]), math.log2((16 + 81) / 2) / 4, 1e-5),
    "correlation_length": (waves([(3, 4, 1.0)]), math.log2(ARGUMENT / (2 * math.pi * 5)), 0.01),
    "structure_factor_peak": (waves([(4, 0, 1.0), (9, 9, 1.2)]), math.log2(4), 1e-5),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(spatial.FEATURES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert frame_features(run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(lambda run: spatial.compute(run).abs().amax(1), len(spatial.FEATURES))


def test_rows_are_independent() -> None:
    check_rows(lambda run: spatial.compute(run).mean(1))


def test_frames_are_independent_and_channels_are_averaged() -> None:
    frames = noise((1, 3, 2, 17, 24)) * torch.tensor([1.0, 100.0])[:, None, None]
    combined = spatial.compute(Run(frames))
    for t in range(3):
        separate = [spatial.compute(Run(frames[:, t : t + 1, c : c + 1])) for c in range(2)]
        torch.testing.assert_close(combined[:, t : t + 1], sum(separate) / 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 16), (17, 24), (15, 15), (1, 33), (1, 1)])
def test_statistics_agree_with_numpy_and_scipy(shape: tuple[int, int], rng: np.random.Generator) -> None:
    u = np.exp(rng.standard_normal(shape)).astype(np.float32)
    name = frame_features(plane(u))
    assert name["mean"] == pytest.approx(np.arcsinh(u.mean()), abs=1e-5)
    assert (name["min"], name["max"]) == pytest.approx((np.arcsinh(u.min()), np.arcsinh(u.max())), abs=1e-5)
    for key, share in spatial.QUANTILES.items():
        assert name[key] == pytest.approx(np.arcsinh(np.quantile(u, share)), abs=1e-5)
    if u.size > 1:
        assert name["std"] == pytest.approx(np.log10(u.std()), abs=1e-5)
        assert name["skewness"] == pytest.approx(np.arcsinh(stats.skew(u, axis=None)), abs=1e-4)
        assert name["kurtosis"] == pytest.approx(np.arcsinh(stats.kurtosis(u, axis=None)), abs=1e-4)
        assert name["iqr"] == pytest.approx(stats.iqr(u) / u.std(), abs=1e-5)
        assert name["mad"] == pytest.approx(2 * stats.median_abs_deviation(u, axis=None) / stats.iqr(u), abs=1e-5)
        counts = np.histogram(u, 32)[0]
        assert name["histogram_entropy"] == pytest.approx(stats.entropy(counts) / math.log(32), abs=1e-5)


def test_gradients_agree_with_numpy(rng: np.random.Generator) -> None:
    u = rng.standard_normal((17, 24))
    down, right = ((np.roll(u, -1, axis) - np.roll(u, 1, axis)) * u.shape[axis] / 2 for axis in (0, 1))
    size = np.hypot(down, right)
    name = frame_features(plane(u))
    assert name["gradient_mean"] == pytest.approx(np.log10(size.mean()), abs=1e-5)
    assert name["gradient_std"] == pytest.approx(np.arcsinh(size.std() / size.mean()), abs=1e-5)
    assert name["gradient_max"] == pytest.approx(np.log(size.max() / size.mean()), abs=1e-5)


def test_the_structure_tensor_agrees_with_exact_derivatives(rng: np.random.Generator) -> None:
    u = rng.standard_normal((17, 25))  # odd sizes, so that no mode has an ambiguous derivative
    waves_y, waves_x = np.meshgrid(*(2j * np.pi * np.fft.fftfreq(size, 1 / size) for size in u.shape), indexing="ij")
    down, right, bend = (
        np.fft.ifft2(np.fft.fft2(u) * factor).real for factor in (waves_y, waves_x, waves_y**2 + waves_x**2)
    )
    low, high = np.linalg.eigvalsh(np.cov(np.stack([down.ravel(), right.ravel()])))
    name = frame_features(plane(u))
    assert name["gradient_anisotropy"] == pytest.approx((high - low) / (high + low), abs=1e-4)
    assert name["laplacian_std"] == pytest.approx(np.log2(np.sqrt(bend.std() / u.std()) / (2 * np.pi)), abs=1e-5)


def test_sort_values_equals_torch_sort() -> None:
    mixed = torch.cat([noise((50,)), 1e-40 * noise((50,)), 1e6 * noise((50,)), torch.tensor([0.0, 1.0, -1.0])])
    assert torch.equal(spatial.sort_values(mixed), mixed.sort().values)


def test_correlation_length_of_a_gaussian_correlation_equals_its_closed_form() -> None:
    # exp(-r^2 / (2 l^2)) is 1/e at sqrt(2) l.
    assert frame_features(GAUSSIAN)["correlation_length"] == pytest.approx(math.log2(math.sqrt(2) * LENGTH), abs=0.03)


@pytest.mark.parametrize("height", [1, 32])
def test_correlation_length_agrees_with_shifted_copies(height: int, rng: np.random.Generator) -> None:
    u = filtered(1 / (1 + 0.1 * squared_wavenumbers(height, 64) ** 1.5), rng)
    u -= u.mean()
    transform = np.fft.fft2(u)
    k_y, k_x = np.meshgrid(*(np.fft.fftfreq(size, 1 / size) for size in u.shape), indexing="ij")

    def correlation(lag: float) -> float:
        angles = [0.0] if height == 1 else 2 * np.pi * (np.arange(64) + 0.5) / 64
        turns = [np.exp(2j * np.pi * lag * (k_x * np.cos(a) + k_y * np.sin(a))) for a in angles]
        return float(np.mean([(u * np.fft.ifft2(transform * turn).real).mean() for turn in turns]) / u.var())

    expected = optimize.brentq(lambda lag: correlation(lag) - math.exp(-1), 1e-4, 0.2)
    assert frame_features(plane(u))["correlation_length"] == pytest.approx(math.log2(expected), abs=0.02)


def test_structure_factor_peak_is_refined_between_shells(rng: np.random.Generator) -> None:
    radius = np.sqrt(squared_wavenumbers(64, 64))
    ring = filtered(np.exp(-((radius - 7.3) ** 2) / 8), rng)
    assert frame_features(plane(ring))["structure_factor_peak"] == pytest.approx(math.log2(7.3), abs=0.03)


def test_a_shifted_field_has_the_same_features(rng: np.random.Generator) -> None:
    u = filtered(1 / (1 + squared_wavenumbers(24, 32)), rng) * 100
    original, shifted = (spatial.compute(plane(field)) for field in (u, np.roll(u, (5, 11), (0, 1))))
    torch.testing.assert_close(original, shifted, rtol=1e-4, atol=1e-4)


def test_stripes_are_anisotropic_in_any_direction() -> None:
    for k_x, k_y in ((3, 0), (0, 3), (2, 2), (2, -2), (5, 1)):
        assert frame_features(waves([(k_x, k_y, 1.0)]))["gradient_anisotropy"] == pytest.approx(1, abs=1e-5)
    assert frame_features(waves([(3, 0, 1.0), (0, 3, 1.0)]))["gradient_anisotropy"] == pytest.approx(0, abs=1e-5)


def test_rounding_noise_counts_as_constant() -> None:
    name = frame_features(Run(0.7 + 1e-6 * noise((2, 3, 1, 16, 16))))
    level = {"mean", "min", "max", *spatial.QUANTILES}
    for key in level:
        assert name.pop(key) == pytest.approx(math.asinh(0.7), abs=1e-5)
    assert name.pop("std") == name.pop("gradient_mean") == pytest.approx(-5)
    assert name.pop("correlation_length") == -1
    assert set(name.values()) == {0.0}
