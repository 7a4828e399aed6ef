"""Closed forms and invariants of each equation, and properties of every family."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators.pde import FAMILIES
from tests.operators.family_draws import (
    advance,
    corners_and_draws,
    grid_coordinates,
    initial_states,
    middle_parameters,
    physical_at,
    relative_difference,
    states_of,
    with_attributes,
)

EFFECTS = [(name, parameter) for name, family in FAMILIES.items() for parameter in family.parameters]
GRID = 32


def values(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


# Properties of every family.


@pytest.mark.parametrize("name", FAMILIES)
def test_runs_with_parameters_of_the_default_ranges_are_finite_and_bounded(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 8)
    states = advance(family, physical, initial_states(family, physical, GRID), 72)
    assert states.dtype == torch.float32
    assert torch.isfinite(states).all()
    assert float(states.abs().max()) < 100


@pytest.mark.parametrize("name", FAMILIES)
def test_operators_and_realizations_of_a_block_do_not_mix(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 3)[-4:]
    states = initial_states(family, physical, GRID, runs=2)
    block = advance(family, physical, states, 2)
    changed, others = states.clone(), physical.clone()
    changed[0] *= 0.5
    changed[1, 0] *= 0.5
    others[0] = physical[2]
    neighbor = advance(family, others, changed, 2)
    assert torch.equal(neighbor[2:], block[2:])
    torch.testing.assert_close(neighbor[1, 1], block[1, 1], rtol=1e-4, atol=1e-5)  # both take the same steps
    assert not torch.allclose(neighbor[0], block[0])
    assert not torch.allclose(neighbor[1, 0], block[1, 0])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_single_operator_gives_the_same_result_as_in_a_block(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 3)[-4:]
    states = initial_states(family, physical, GRID, runs=2)
    block = advance(family, physical, states, 1)
    for number in range(4):
        single = advance(family, physical[number : number + 1], states[number : number + 1], 1)
        assert float(relative_difference(single, block[number : number + 1])) < 1e-6


@pytest.mark.parametrize("name", FAMILIES)
def test_initial_states_depend_only_on_their_own_operator(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 1)[-4:]
    fields = torch.randn(4, 2, family.channels, GRID, GRID, generator=torch.Generator().manual_seed(0))
    block = family.prepare(fields, physical)
    torch.testing.assert_close(family.prepare(fields[1:2], physical[1:2]), block[1:2], rtol=1e-5, atol=1e-6)
    assert block.shape == fields.shape


@pytest.mark.parametrize(("name", "parameter"), EFFECTS, ids=[".".join(each) for each in EFFECTS])
def test_every_parameter_changes_the_solution(name: str, parameter: str) -> None:
    family = FAMILIES[name]
    points = np.full((2, len(family.parameters)), 0.6)
    points[:, family.parameters.index(parameter)] = 0.125, 0.875
    physical = physical_at(family, points)
    start = initial_states(family, physical[:1], GRID, amplitude=1.0).expand(2, -1, -1, -1, -1)
    low, high = advance(family, physical, start, 8).split(1)
    assert float(relative_difference(low, high)) > 0.01


@pytest.mark.parametrize("name", FAMILIES)
def test_one_frame_equals_two_frames_of_half_the_frame_time(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 3)[-3:]
    states = advance(family, physical, initial_states(family, physical, GRID), 3)
    halved = with_attributes(family, frame_time=family.frame_time / 2)
    expected = advance(halved, physical, states, 2)
    assert float(relative_difference(advance(family, physical, states, 1), expected).max()) < 1e-4


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "navier_stokes"])
def test_a_periodic_continuation_remains_periodic_on_a_domain_of_twice_the_size(name: str) -> None:
    family = FAMILIES[name]
    physical = middle_parameters(family)
    states = initial_states(family, physical, 24)
    wide = with_attributes(family, domain=2 * family.domain)
    once, twice = advance(family, physical, states, 3), advance(wide, physical, states.repeat(1, 1, 1, 2, 2), 3)
    assert float(relative_difference(twice, once.repeat(1, 1, 1, 2, 2))) < 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_a_wrong_number_of_parameters_is_refused(name: str) -> None:
    family = FAMILIES[name]
    with pytest.raises(ValueError, match=f"{name}: physical is"):
        family.stepper(torch.zeros(2, len(family.parameters) + 1), (16, 16))


@pytest.mark.parametrize("name", ["allen_cahn", "cahn_hilliard", "swift_hohenberg", "kuramoto_sivashinsky", "burgers"])
def test_small_waves_grow_or_decay_at_the_linear_rate(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 2)
    if name == "allen_cahn":
        physical[:, 2] = 0  # without a tilt, 0 is a fixed point
    x, y = grid_coordinates(family, GRID)
    unit = 2 * math.pi / family.domain
    wave = 1e-4 * torch.cos(unit * (2 * x + y))
    start = states_of(wave, *[wave] * (family.channels - 1)).expand(len(physical), -1, -1, -1, -1)
    k2 = 5 * unit**2
    a, b, c = physical.T
    rate = {
        "allen_cahn": lambda: b - a * k2,
        "cahn_hilliard": lambda: -a * k2 * (3 * c**2 - 1 + b * k2),
        "swift_hohenberg": lambda: a - (c**2 - k2) ** 2,
        "kuramoto_sivashinsky": lambda: k2 - a * k2**2 - c,
        "burgers": lambda: -a * k2 - c,
    }[name]()
    expected = start * torch.exp(rate * family.frame_time).view(-1, 1, 1, 1, 1)
    assert float(relative_difference(advance(family, physical, start, 1), expected).max()) < 5e-4


# Closed forms.


def test_advection_diffusion_equals_its_closed_form() -> None:
    family = FAMILIES["advection_diffusion"]
    x, y = grid_coordinates(family, GRID)
    time = 20 * family.frame_time
    result = advance(family, values(0.03, 0.7, -1.1), states_of(torch.sin(3 * x + 2 * y)), 20)
    expected = math.exp(-0.03 * 13 * time) * torch.sin(3 * (x - 0.7 * time) + 2 * (y + 1.1 * time))
    torch.testing.assert_close(result, states_of(expected), rtol=0, atol=2e-5)


@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_waves_travel_with_their_dispersion_relation(damping: float) -> None:
    family = FAMILIES["wave"]
    x, y = grid_coordinates(family, GRID)
    speed, mass, time = 1.2, 2.0, 20 * family.frame_time
    frequency = math.sqrt(speed**2 * 13 + mass**2 - damping**2)
    phase = 3 * x - 2 * y

    def traveling(t: float) -> Tensor:
        h = math.exp(-damping * t) * torch.cos(phase - frequency * t)
        return states_of(h, -damping * h + frequency * math.exp(-damping * t) * torch.sin(phase - frequency * t))

    result = advance(family, values(speed, damping, mass), traveling(0), 20)
    torch.testing.assert_close(result, traveling(time), rtol=0, atol=1e-4)


def test_uniform_modes_of_the_wave_equation_are_exact() -> None:
    family = FAMILIES["wave"]
    flat = torch.ones(GRID, GRID, dtype=torch.float64)
    drifting = advance(family, values(1.0, 0.0, 0.0), states_of(flat, 2 * flat), 10)
    time = 10 * family.frame_time
    torch.testing.assert_close(drifting, states_of((1 + 2 * time) * flat, 2 * flat), rtol=1e-5, atol=0)
    damped = advance(family, values(1.0, 0.5, 0.0), states_of(flat, flat), 10)
    decay = math.exp(-time)
    torch.testing.assert_close(damped, states_of((2 - decay) * flat, decay * flat), rtol=1e-5, atol=0)


def test_burgers_equals_the_hopf_cole_solution() -> None:
    """u = -2 D phi_x / (a phi) solves the equation along x where phi_t = D phi_xx (Hopf 1950, Cole 1951)."""
    family = FAMILIES["burgers"]
    x, _ = grid_coordinates(family, 64)
    viscosity, advection, time = 0.1, 0.8, 10 * family.frame_time

    def exact(t: float) -> Tensor:
        amplitude = 0.8 * math.exp(-viscosity * t)
        u = 2 * viscosity / advection * amplitude * torch.sin(x) / (1 + amplitude * torch.cos(x))
        return states_of(u, torch.zeros_like(u))

    result = advance(family, values(viscosity, advection, 0.0), exact(0), 10)
    assert float(relative_difference(result, exact(time))) < 1e-4


@pytest.mark.parametrize("drag", [0.0, 0.25])
def test_the_mean_of_burgers_decays_only_by_drag(drag: float) -> None:
    family = FAMILIES["burgers"]
    physical = values(0.05, 1.0, drag)
    start = initial_states(family, physical, GRID) + 0.3
    result = advance(family, physical, start, 20)
    expected = start.mean((-2, -1)) * math.exp(-drag * 20 * family.frame_time)
    torch.testing.assert_close(result.mean((-2, -1)), expected, rtol=1e-4, atol=1e-5)


def test_a_pair_of_allen_cahn_fronts_is_stationary() -> None:
    family = FAMILIES["allen_cahn"]
    x, _ = grid_coordinates(family, 128)
    width = math.sqrt(2 * 0.02 / 1.2)
    quarter = family.domain / 4
    u = math.sqrt(1.2) * (torch.tanh((x - quarter) / width) - torch.tanh((x - 3 * quarter) / width) - 1)
    result = advance(family, values(0.02, 1.2, 0.0), states_of(u), 40)
    torch.testing.assert_close(result, states_of(u), rtol=0, atol=2e-3)


@pytest.mark.parametrize("composition", [0.0, 0.4])
def test_cahn_hilliard_conserves_mass_and_dissipates_energy(composition: float) -> None:
    family = FAMILIES["cahn_hilliard"]
    physical = values(0.3, 0.04, composition)
    state = initial_states(family, physical, GRID)
    mass = state.mean()

    def energy(u: Tensor) -> float:
        c = u.double()[0, 0, 0] + composition
        spectrum = torch.fft.fft2(c)
        k = torch.fft.fftfreq(GRID, 1 / GRID, dtype=torch.float64)
        gradient = ((k[:, None] ** 2 + k**2) * spectrum.abs() ** 2).sum() / GRID**4
        return float(((c**2 - 1) ** 2 / 4).mean() + 0.5 * 0.04 * gradient)

    state = advance(family, physical, state, 1)  # removes the truncated modes
    energies = [energy(state)]
    for _ in range(20):
        state = advance(family, physical, state, 1)
        energies.append(energy(state))
    assert max(np.diff(energies)) < 1e-6
    assert energies[-1] < 0.95 * energies[0]
    torch.testing.assert_close(state.mean(), mass, rtol=0, atol=1e-5)


@pytest.mark.parametrize("wavenumber", [0.8, 1.0, 1.2])
def test_swift_hohenberg_selects_its_wave_number_and_amplitude(wavenumber: float) -> None:
    family = FAMILIES["swift_hohenberg"]
    physical = values(0.1, 0.0, wavenumber)
    end = advance(family, physical, initial_states(family, physical, 64), 120)[0, 0, 0].double()
    power = torch.fft.fft2(end).abs() ** 2
    k = torch.fft.fftfreq(64, 1 / 64, dtype=torch.float64) * 2 * math.pi / family.domain
    radius = torch.sqrt(k[:, None] ** 2 + k**2)
    assert float((radius * power).sum() / power.sum()) == pytest.approx(wavenumber, rel=0.06)
    # Stripes u = A cos(q x) have A^2 = 4 r / 3.
    assert float(end.square().mean()) == pytest.approx(2 * 0.1 / 3, rel=0.25)


def test_the_mean_of_kuramoto_sivashinsky_remains_zero() -> None:
    family = FAMILIES["kuramoto_sivashinsky"]
    physical = values(1.0, 1.0, 0.0)
    end = advance(family, physical, initial_states(family, physical, GRID), 60)
    assert abs(float(end.mean())) < 1e-4
    assert float(end.std()) > 0.5


def test_gray_scott_is_stationary_at_pure_substrate_and_returns_to_it() -> None:
    family = FAMILIES["gray_scott"]
    physical = values(0.04, 0.06, 4e-5, 2.0)
    rest = torch.zeros(1, 1, 2, GRID, GRID)
    assert float(advance(family, physical, rest, 5).abs().max()) == 0
    x, _ = grid_coordinates(family, GRID)
    k2 = (2 * math.pi / family.domain * 2) ** 2
    missing = 0.1 * torch.cos(2 * 2 * math.pi / family.domain * x)
    result = advance(family, physical, states_of(missing, torch.zeros_like(missing)), 3)
    expected = missing * math.exp(-(4e-5 * k2 + 0.04) * 3 * family.frame_time)
    torch.testing.assert_close(result, states_of(expected, torch.zeros_like(missing)), rtol=1e-4, atol=1e-7)


def test_a_fixed_point_of_fitzhugh_nagumo_is_stationary() -> None:
    family = FAMILIES["fitzhugh_nagumo"]
    timescale, recovery, threshold = 0.2, 0.5, 0.45
    # u - u^3 = v and u + b = g v: (1 - g) u + g u^3 + b = 0
    u = float(np.real(next(root for root in np.roots([recovery, 0, 1 - recovery, threshold]) if root.imag == 0)))
    flat = torch.ones(GRID, GRID, dtype=torch.float64)
    rest = states_of(u * flat, (u - u**3) * flat)
    result = advance(family, values(timescale, recovery, threshold, 1.0), rest, 10)
    torch.testing.assert_close(result, rest, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("dispersion", "shear"), [(0.5, 1.5), (-1.0, 0.6)])
def test_plane_waves_of_ginzburg_landau_rotate_at_their_frequency(dispersion: float, shear: float) -> None:
    """A = R exp(i (k x - w t)) with R^2 = m - k^2 and w = a k^2 + b R^2."""
    family = FAMILIES["complex_ginzburg_landau"]
    x, _ = grid_coordinates(family, GRID)
    k = 2 * 2 * math.pi / family.domain
    power = 1.0 - k**2
    frequency = dispersion * k**2 + shear * power

    def exact(t: float) -> Tensor:
        phase = k * x - frequency * t
        return states_of(math.sqrt(power) * torch.cos(phase), math.sqrt(power) * torch.sin(phase))

    result = advance(family, values(1.0, dispersion, shear), exact(0), 10)
    assert float(relative_difference(result, exact(10 * family.frame_time))) < 1e-4


def test_a_lattice_of_vortices_decays_at_the_rate_of_one_mode() -> None:
    family = FAMILIES["navier_stokes"]
    x, y = grid_coordinates(family, GRID)
    start = states_of(torch.cos(2 * x) + torch.cos(2 * y))
    result = advance(family, values(0.05, 0.2, 0.0), start, 20)
    expected = start * math.exp(-(0.05 * 4 + 0.2) * 20 * family.frame_time)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_kolmogorov_flow_is_stationary() -> None:
    family = FAMILIES["navier_stokes"]
    _, y = grid_coordinates(family, GRID)
    viscosity, drag, forcing = 0.1, 0.2, 0.3
    rest = states_of(4 * forcing / (viscosity * 16 + drag) * torch.cos(4 * y))
    torch.testing.assert_close(advance(family, values(viscosity, drag, forcing), rest, 5), rest, rtol=0, atol=1e-5)


def test_enstrophy_changes_only_by_viscosity_drag_and_forcing() -> None:
    family = with_attributes(FAMILIES["navier_stokes"], frame_time=0.01, substeps=1)
    viscosity, drag, forcing = 0.02, 0.1, 0.4
    physical = values(viscosity, drag, forcing)
    before = advance(family, physical, initial_states(family, physical, GRID), 4)
    middle_state = advance(family, physical, before, 1)
    end = advance(family, physical, middle_state, 1)

    def enstrophy(state: Tensor) -> float:
        return 0.5 * float(state.double().square().mean())

    w = middle_state.double()[0, 0, 0]
    k = torch.fft.fftfreq(GRID, 1 / GRID, dtype=torch.float64)
    palinstrophy = float(((k[:, None] ** 2 + k**2) * torch.fft.fft2(w).abs() ** 2).sum() / GRID**4)
    _, y = grid_coordinates(family, GRID)
    input_rate = float((4 * forcing * torch.cos(4 * y) * w).mean())
    rate = (enstrophy(end) - enstrophy(before)) / (2 * family.frame_time)
    assert rate == pytest.approx(-viscosity * palinstrophy - 2 * drag * enstrophy(middle_state) + input_rate, rel=5e-3)
