"""Modes: wave numbers, derivatives, transforms, and products without aliasing."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators.spectral import DealiasedModes, Modes

CPU = torch.device("cpu")
GRIDS = [(16, 16), (15, 15), (12, 18), (17, 10)]


def modes_of(grid: tuple[int, int], domain: float = 3.0) -> Modes:
    return Modes.of(grid, domain, device=CPU)


def kept_modes(grid: tuple[int, int], degree: int, *, is_real: bool = True) -> DealiasedModes:
    return DealiasedModes.of(grid, 3.0, degree=degree, is_real=is_real, device=CPU)


def coordinates(grid: tuple[int, int], domain: float) -> tuple[Tensor, Tensor]:
    y = torch.arange(grid[0], dtype=torch.float64)[:, None] * (domain / grid[0])
    x = torch.arange(grid[1], dtype=torch.float64)[None] * (domain / grid[1])
    return x, y


def all_kinds(grid: tuple[int, int]) -> list[Modes | DealiasedModes]:
    return [modes_of(grid), kept_modes(grid, 2), kept_modes(grid, 2, is_real=False)]


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_derivatives_of_a_wave_equal_the_formula(grid: tuple[int, int], kind: int) -> None:
    domain = 3.0
    modes = all_kinds(grid)[kind]
    x, y = coordinates(grid, domain)
    kx, ky = 2 * 2 * math.pi / domain, -3 * 2 * math.pi / domain
    wave, slope = torch.sin(kx * x + ky * y + 0.3), torch.cos(kx * x + ky * y + 0.3)
    spectrum = modes.spectrum(wave)
    for factor, expected in ((1j * modes.x, kx * slope), (1j * modes.y, ky * slope)):
        torch.testing.assert_close(modes.fields(factor * spectrum).real, expected)
    torch.testing.assert_close(modes.fields(modes.square * spectrum).real, (kx**2 + ky**2) * wave)


def test_the_nyquist_mode_has_no_first_derivative_but_a_second_derivative() -> None:
    modes = modes_of((8, 8), 2 * math.pi)
    highest = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4).expand(8, 8)
    spectrum = modes.spectrum(highest)
    assert float(modes.fields(1j * modes.x * spectrum).abs().max()) == 0
    torch.testing.assert_close(modes.fields(modes.square * spectrum).real, 16 * highest)
    odd = modes_of((7, 7), 2 * math.pi)
    assert float(odd.x.abs().max()) == float(odd.y.abs().max()) == pytest.approx(3)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_wave_numbers_are_in_units_of_the_domain(grid: tuple[int, int]) -> None:
    one, half = modes_of(grid, 3.0), modes_of(grid, 1.5)
    torch.testing.assert_close(half.x, 2 * one.x)
    torch.testing.assert_close(half.square, 4 * one.square)
    assert one.x.dtype == one.square.dtype == torch.float64
    assert one.square.shape == (grid[0], grid[1] // 2 + 1)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_spectrum_and_fields_are_inverse_transforms(grid: tuple[int, int]) -> None:
    modes = modes_of(grid)
    fields = torch.randn(2, 3, *grid, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(modes.fields(modes.spectrum(fields)).real, fields)


@pytest.mark.parametrize("is_real", [True, False])
@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("grid", [*GRIDS, (1, 16), (3, 16), (16, 2), (64, 65), (63, 64)], ids=str)
def test_kept_modes_equal_those_of_the_whole_transform(grid: tuple[int, int], degree: int, is_real: bool) -> None:
    modes = kept_modes(grid, degree, is_real=is_real)
    generator = torch.Generator().manual_seed(0)
    dtype = torch.float64 if is_real else torch.complex128
    fields = torch.randn(2, 3, *grid, dtype=dtype, generator=generator)
    cycles = [np.fft.fftfreq(size, 1 / size).round() for size in grid]
    inside = [np.abs(each) * (degree + 1) < size for each, size in zip(cycles, grid, strict=True)]
    whole = np.fft.fft2(fields.numpy())
    kept_x = inside[1] & (cycles[1] >= 0) if is_real else inside[1]
    expected = whole[..., inside[0], :][..., kept_x].swapaxes(-2, -1)
    result = modes.spectrum(fields)
    np.testing.assert_allclose(result, expected, atol=1e-12 * np.abs(whole).max())
    unit = 2 * math.pi / 3.0
    np.testing.assert_allclose(modes.x[:, 0], unit * cycles[1][kept_x])
    np.testing.assert_allclose(modes.y[0], unit * cycles[0][inside[0]])
    filtered = np.fft.ifft2(whole * inside[0][:, None] * inside[1])
    np.testing.assert_allclose(modes.fields(result), filtered.real if is_real else filtered, atol=1e-13)


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
    modes = kept_modes((points, points), degree)
    highest = len(modes.x) - 1
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
    wave_numbers = np.fft.fftfreq(points, 1 / points).round().astype(int)
    expected = fine_product[wave_numbers % fine][:, wave_numbers % fine]
    is_kept = np.abs(wave_numbers) <= highest
    tolerance = 1e-9 * np.abs(expected).max()
    result = modes.spectrum(torch.from_numpy(coarse_product)).numpy().T / points**2
    np.testing.assert_allclose(result, expected[is_kept][:, is_kept & (wave_numbers >= 0)], atol=tolerance)
    whole = np.fft.fft2(coarse_product) / points**2
    is_aliased = ~(is_kept[:, None] & is_kept)
    assert np.abs(whole - expected)[is_aliased].max() > 1e-3 * np.abs(expected).max()


def test_complex_and_real_fields_keep_the_same_modes() -> None:
    real, whole = kept_modes((18, 18), 2), kept_modes((18, 18), 2, is_real=False)
    torch.testing.assert_close(whole.square[: len(real.x)], real.square)
    assert whole.square.shape == (11, 11)
