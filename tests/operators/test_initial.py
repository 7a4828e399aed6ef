"""Initial conditions have the requested mean, standard deviation and spectrum."""

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators.draws import Purpose, stream
from spinlock.operators.initial import CONDITIONS, InitialDraws, initial_fields

OPERATORS, GRID = 6, 64


def fields_of(kind: str, amplitude: float, wavenumber: float, grid: int = GRID, first: int = 0) -> Tensor:
    streams = [stream(3, first + index, Purpose.INITIAL) for index in range(OPERATORS)]
    draws = InitialDraws.draw(streams, (4, 1, grid, grid))
    ones = torch.ones(OPERATORS)
    return initial_fields([kind] * OPERATORS, amplitude * ones, wavenumber * ones, draws)


def spectrum(fields: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(k, mean |u_k|^2) of every mode but the mean, k in cycles per domain, by NumPy."""
    power = np.mean(np.abs(np.fft.fft2(fields.double().numpy())) ** 2, axis=(0, 1, 2))
    k = np.fft.fftfreq(power.shape[-1], 1 / power.shape[-1])
    radius = np.hypot(k[:, None], k)
    return radius[radius > 0], power[radius > 0]


@pytest.mark.parametrize("kind", CONDITIONS)
@pytest.mark.parametrize(("amplitude", "grid"), [(0.5, 32), (2.0, 64)])
def test_every_field_has_zero_mean_and_the_amplitude_as_standard_deviation(
    kind: str, amplitude: float, grid: int
) -> None:
    fields = fields_of(kind, amplitude, 3.0, grid)
    assert fields.shape == (OPERATORS, 4, 1, grid, grid)
    np.testing.assert_allclose(fields.mean((-2, -1)), 0, atol=1e-5)
    np.testing.assert_allclose(fields.std((-2, -1), correction=0), amplitude, rtol=1e-5)


@pytest.mark.parametrize("k0", [2.0, 5.0])
def test_the_power_law_spectrum_equals_its_formula(k0: float) -> None:
    k, power = spectrum(fields_of("power_law", 1.0, k0))
    expected = (1 + (k / k0) ** 2) ** -2
    ratio = power / expected
    rings = [ratio[(k >= low) & (k < high)].mean() for low, high in ((1, 4), (4, 8), (8, 16), (16, 28))]
    np.testing.assert_allclose(np.array(rings) / np.mean(rings), 1, atol=0.2)


@pytest.mark.parametrize("k0", [3.0, 6.0])
def test_the_gaussian_spectrum_has_its_width(k0: float) -> None:
    k, power = spectrum(fields_of("gaussian", 1.0, k0))
    # P = exp(-(k / k0)^2) over the plane: the mean of k^2 is k0^2.
    assert np.sqrt(np.average(k**2, weights=power)) == pytest.approx(k0, rel=0.06)


def test_the_power_of_a_band_limited_field_is_uniform_within_the_band() -> None:
    k, power = spectrum(fields_of("band_limited", 1.0, 6.0))
    inside = (k > 6 * 0.707) & (k < 6 * 1.415)
    assert power[inside].sum() / power.sum() == pytest.approx(1, abs=1e-6)
    lower, upper = power[inside & (k < 6)].mean(), power[inside & (k >= 6)].mean()
    assert lower / upper == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(("kind", "low", "high"), [("sinusoids", 4.2, 5.8), ("fronts", 1.9, 3.2)])
def test_the_strongest_modes_of_plane_waves_are_near_the_wave_number(kind: str, low: float, high: float) -> None:
    k, power = spectrum(fields_of(kind, 1.0, 5.0))
    strongest = k[power > 0.2 * power.max()]
    assert low <= strongest.min() <= strongest.max() <= high


@pytest.mark.parametrize("kind", ["blobs", "spots"])
def test_objects_become_smaller_as_the_wave_number_grows(kind: str) -> None:
    centroids = []
    for k0 in (2.0, 4.0):
        k, power = spectrum(fields_of(kind, 1.0, k0))
        centroids.append(np.sqrt(np.average(k**2, weights=power)))
    assert 1.4 < centroids[1] / centroids[0] < 2.4


def test_fronts_have_two_plateaus() -> None:
    fields = fields_of("fronts", 1.0, 4.0)
    assert float(((fields.abs() > 0.8) & (fields.abs() < 1.3)).double().mean()) > 0.75


def test_a_field_depends_only_on_its_own_draws_and_condition() -> None:
    streams = [stream(3, index, Purpose.INITIAL) for index in range(3)]
    draws = InitialDraws.draw(streams, (1, 1, 32, 32))
    ones = torch.ones(3)
    mixed = initial_fields(["blobs", "gaussian", "spots"], ones, 3 * ones, draws)
    same = initial_fields(["gaussian", "gaussian", "fronts"], ones, 3 * ones, draws)
    assert torch.equal(mixed[1], same[1])
    assert not torch.equal(mixed[0], same[0])
    assert torch.equal(fields_of("gaussian", 1.0, 3.0, first=1)[0], fields_of("gaussian", 1.0, 3.0, first=0)[1])
