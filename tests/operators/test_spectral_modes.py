"""Modes: wave numbers, derivatives, transforms, and products without aliasing."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators.spectral import Modes

CPU = torch.device("cpu")
GRIDS = [(16, 16), (15, 15), (12, 18), (17, 10)]


def modes_of(grid: tuple[int, int], domain: float = 3.0, *, is_real: bool = True) -> Modes:
    return Modes.of(grid, domain, is_real=is_real, device=CPU)


def coordinates(grid: tuple[int, int], domain: float) -> tuple[Tensor, Tensor]:
    y = torch.arange(grid[0], dtype=torch.float64)[:, None] * (domain / grid[0])
    x = torch.arange(grid[1], dtype=torch.float64)[None] * (domain / grid[1])
    return x, y


@pytest.mark.parametrize("is_real", [True, False])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_derivatives_of_a_wave_equal_the_formula(grid: tuple[int, int], is_real: bool) -> None:
    domain = 3.0
    modes = modes_of(grid, domain, is_real=is_real)
    x, y = coordinates(grid, domain)
    kx, ky = 2 * 2 * math.pi / domain, -3 * 2 * math.pi / domain
    wave, slope = torch.sin(kx * x + ky * y + 0.3), torch.cos(kx * x + ky * y + 0.3)
    spectrum = modes.spectrum(wave)
    for factor, expected in ((1j * modes.x, kx * slope), (1j * modes.y, ky * slope)):
        torch.testing.assert_close(modes.fields(factor * spectrum).real, expected)
    torch.testing.assert_close(modes.fields(modes.square * spectrum).real, (kx**2 + ky**2) * wave)


@pytest.mark.parametrize("is_real", [True, False])
def test_the_nyquist_mode_has_no_first_derivative_but_a_second_derivative(is_real: bool) -> None:
    modes = modes_of((8, 8), 2 * math.pi, is_real=is_real)
    highest = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4).expand(8, 8)
    spectrum = modes.spectrum(highest)
    assert float(modes.fields(1j * modes.x * spectrum).abs().max()) == 0
    torch.testing.assert_close(modes.fields(modes.square * spectrum).real, 16 * highest)
    odd = modes_of((7, 7), 2 * math.pi, is_real=is_real)
    assert float(odd.x.abs().max()) == float(odd.y.abs().max()) == pytest.approx(3)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_wave_numbers_are_in_units_of_the_domain(grid: tuple[int, int]) -> None:
    one, half = modes_of(grid, 3.0), modes_of(grid, 1.5)
    torch.testing.assert_close(half.x, 2 * one.x)
    torch.testing.assert_close(half.square, 4 * one.square)
    assert one.x.dtype == one.square.dtype == torch.float64
    assert one.square.shape == (grid[0], grid[1] // 2 + 1)


@pytest.mark.parametrize("is_real", [True, False])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_spectrum_and_fields_are_inverse_transforms(grid: tuple[int, int], is_real: bool) -> None:
    modes = modes_of(grid, is_real=is_real)
    fields = torch.randn(2, 3, *grid, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(modes.fields(modes.spectrum(fields)).real, fields)


def field_on_grid(coefficients: np.ndarray, points: int) -> np.ndarray:
    """The field on points x points of a centered spectrum [2 K + 1, 2 K + 1]."""
    highest_mode = len(coefficients) // 2
    positions = np.arange(-highest_mode, highest_mode + 1) % points
    spectrum = np.zeros((points, points), dtype=complex)
    spectrum[np.ix_(positions, positions)] = coefficients
    return np.fft.ifft2(spectrum).real * points**2


@pytest.mark.parametrize("points", [16, 18, 15, 24, 23])
@pytest.mark.parametrize("degree", [2, 3])
def test_kept_modes_of_a_product_are_exact(degree: int, points: int) -> None:
    modes = modes_of((points, points))
    kept = modes.kept(degree).numpy() > 0
    highest = int(np.flatnonzero(kept[0]).max())
    assert highest == math.ceil(points / (degree + 1)) - 1
    rng = np.random.default_rng(0)
    size = 2 * highest + 1
    factors = []
    for _ in range(degree):
        drawn = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
        factors.append(drawn + np.conj(drawn[::-1, ::-1]))
    fine = 4 * points
    coarse_product = np.prod([field_on_grid(factor, points) for factor in factors], axis=0)
    fine_product = np.fft.fft2(np.prod([field_on_grid(factor, fine) for factor in factors], axis=0)) / fine**2
    result = modes.spectrum(torch.from_numpy(coarse_product)).numpy() / points**2
    rows = np.fft.fftfreq(points, 1 / points).round().astype(int) % fine
    expected = fine_product[rows][:, : points // 2 + 1]
    np.testing.assert_allclose(result[kept], expected[kept], atol=1e-9 * np.abs(expected).max())
    assert np.abs(result - expected)[~kept].max() > 1e-3 * np.abs(expected).max()


def test_complex_and_real_grids_keep_the_same_modes() -> None:
    real, full = modes_of((18, 18)), modes_of((18, 18), is_real=False)
    torch.testing.assert_close(full.kept(2)[:, :10], real.kept(2))
    assert float(full.kept(2).sum()) == 11**2
