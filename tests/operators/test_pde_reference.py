"""One frame of every family against independent solutions, over the default ranges, early and late in a run."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators.pde import FAMILIES
from tests.operators.family_draws import advance, corners_and_draws, initial_states, relative_difference
from tests.operators.method_of_lines import DEGREE, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # warnings of JAX and its dependencies during import
    jax = pytest.importorskip("jax")
    exponax = pytest.importorskip("exponax")
    from exponax import nonlin_fun
    from exponax.stepper.reaction._gray_scott import GrayScottNonlinearFun

GRID, ODD_GRID = 32, 31
DEVELOPED = (0, 3, 40)
"""Numbers of frames after which the next frame is compared."""
FINE_STEPS = 64
"""Number of steps of exponax in one frame."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frame_equals_the_solution_of_the_method_of_lines(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 4)
    state, frames = initial_states(family, physical, GRID), 0
    for start in DEVELOPED:
        state, frames = advance(family, physical, state, start - frames), start
        result = advance(family, physical, state, 1)
        expected = torch.from_numpy(
            solve(name, state[:, 0].double().numpy(), physical.numpy(), family.domain, family.frame_time)
        )[:, None]
        assert float(relative_difference(result, expected).max()) < 1e-4
        change = (expected - state).flatten(1).norm(dim=1)
        size = expected.flatten(1).norm(dim=1)
        changing = (change > 0.01 * size) & (size > 1e-3)
        relative_error = (result - expected).flatten(1).norm(dim=1)[changing] / change[changing]
        assert float(relative_error.max() if changing.any() else 0.0) < 1e-3


# Linear and nonlinear terms for exponax: d are the derivatives, lap the Laplacian, p the parameters of one operator.
LINEAR = {
    "advection_diffusion": lambda d, lap, p: p[0] * lap - p[1] * d[:1] - p[2] * d[1:],
    "burgers": lambda d, lap, p: p[0] * lap - p[2],
    "allen_cahn": lambda d, lap, p: p[0] * lap + p[1],
    "swift_hohenberg": lambda d, lap, p: p[0] - (p[2] ** 2 + lap) ** 2,
    "kuramoto_sivashinsky": lambda d, lap, p: -lap - p[0] * lap**2 - p[2],
    "gray_scott": lambda d, lap, p: jax.numpy.concatenate([p[2] * lap, p[2] / p[3] * lap]),
    "navier_stokes": lambda d, lap, p: p[0] * lap - p[1],
}
NONLINEAR = {
    "advection_diffusion": lambda d, p, cut, n: nonlin_fun.ZeroNonlinearFun(2, n),
    "burgers": lambda d, p, cut, n: nonlin_fun.ConvectionNonlinearFun(
        2, n, derivative_operator=d, dealiasing_fraction=cut, scale=p[1], conservative=True
    ),
    "allen_cahn": lambda d, p, cut, n: nonlin_fun.PolynomialNonlinearFun(
        2, n, dealiasing_fraction=cut, coefficients=(p[2], 0.0, 0.0, -1.0)
    ),
    "swift_hohenberg": lambda d, p, cut, n: nonlin_fun.PolynomialNonlinearFun(
        2, n, dealiasing_fraction=cut, coefficients=(0.0, 0.0, p[1], -1.0)
    ),
    "kuramoto_sivashinsky": lambda d, p, cut, n: nonlin_fun.GradientNormNonlinearFun(
        2, n, derivative_operator=d, dealiasing_fraction=cut, scale=p[1]
    ),
    "gray_scott": lambda d, p, cut, n: GrayScottNonlinearFun(
        2, n, dealiasing_fraction=cut, feed_rate=p[0], kill_rate=p[1]
    ),
    # Velocity and forcing of exponax have the opposite sign.
    "navier_stokes": lambda d, p, cut, n: nonlin_fun.VorticityConvection2dKolmogorov(
        2, n, derivative_operator=d, dealiasing_fraction=cut, convection_scale=-1.0, injection_scale=-p[2]
    ),
}


class Equation(exponax.BaseStepper):  # type: ignore[misc]
    """The integrator of exponax with the terms of one family, for one operator."""

    name: str
    parameters: tuple[float, ...]

    def __init__(self, name: str, parameters: tuple[float, ...], grid: int) -> None:
        self.name, self.parameters = name, parameters
        family = FAMILIES[name]
        step = family.frame_time / FINE_STEPS
        super().__init__(2, family.domain, grid, step, num_channels=family.channels, order=4, num_circle_points=64)

    def _build_linear_operator(self, derivatives: Any) -> Any:
        laplacian = (derivatives[:1] ** 2) + derivatives[1:] ** 2
        return LINEAR[self.name](derivatives, laplacian, self.parameters)

    def _build_nonlinear_fun(self, derivatives: Any) -> Any:
        return NONLINEAR[self.name](
            derivatives, self.parameters, dealiasing_fraction_of(self.name, self.num_points), self.num_points
        )


def dealiasing_fraction_of(name: str, grid: int) -> float:
    """The fraction f with which exponax keeps |n| < N / (degree + 1), since it keeps |n| <= f N / 2 - 1."""
    highest = math.ceil(grid / (DEGREE[name] + 1)) - 1
    return (highest + 1.01) / (grid // 2)


def stepper_of(name: str, p: tuple[float, ...], grid: int) -> Any:
    family = FAMILIES[name]
    step = family.frame_time / FINE_STEPS
    if name == "cahn_hilliard":
        return exponax.stepper.reaction.CahnHilliard(
            2,
            family.domain,
            grid,
            step,
            diffusivity=p[0],
            gamma=p[1],
            order=4,
            dealiasing_fraction=dealiasing_fraction_of(name, grid),
        )
    if name == "wave":
        return exponax.stepper.Wave(2, family.domain, grid, step, speed_of_sound=p[0])
    return Equation(name, p, grid)


def exponax_state(name: str, state: Tensor, physical: Tensor) -> Tensor:
    """States [B, M, C, H, W] in the variables of exponax."""
    if name == "cahn_hilliard":
        return physical[:, 2].view(-1, 1, 1, 1, 1) + state
    if name == "gray_scott":
        return torch.cat([1 - state[:, :, :1], state[:, :, 1:]], 2)
    return state


@pytest.mark.parametrize("name", [*LINEAR, "cahn_hilliard", "wave"])
def test_a_frame_equals_that_of_exponax(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 1)[[1, -2, -1]]
    if name == "wave":
        physical[:, 1:] = 0  # exponax has neither damping nor mass
    state = advance(family, physical, initial_states(family, physical, ODD_GRID), 2)
    start = exponax_state(name, state, physical)[:, 0].double().numpy().swapaxes(2, 3)  # the first axis of exponax is x
    ends = []
    with jax.enable_x64(True):
        for fields, parameters in zip(start, physical.tolist(), strict=True):
            stepper = stepper_of(name, tuple(parameters), ODD_GRID)
            ends.append(np.array(jax.jit(exponax.repeat(stepper, FINE_STEPS))(jax.numpy.asarray(fields))))
    expected = torch.from_numpy(np.stack(ends).swapaxes(2, 3).copy())[:, None]
    result = exponax_state(name, advance(family, physical, state, 1), physical)
    assert float(relative_difference(result, expected).max()) < 1e-4
