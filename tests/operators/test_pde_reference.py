"""One frame of every family against independent solutions, over the default ranges, at first and later."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators.pde import FAMILIES
from tests.operators.family_draws import after, corners_and_draws, relative, starts
from tests.operators.method_of_lines import DEGREE, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # JAX and its companions, while they are imported
    jax = pytest.importorskip("jax")
    exponax = pytest.importorskip("exponax")
    from exponax import nonlin_fun
    from exponax.stepper.reaction._gray_scott import GrayScottNonlinearFun

GRID, ODD_GRID = 32, 31
DEVELOPED = (0, 3, 40)
"""Frames after which a frame is compared."""
FINE_STEPS = 64
"""Of exponax, in one frame."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frame_is_the_solution_by_the_method_of_lines(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 4)
    state, frames = starts(family, physical, GRID), 0
    for begin in DEVELOPED:
        state, frames = after(family, physical, state, begin - frames), begin
        found = after(family, physical, state, 1)
        expected = torch.from_numpy(
            solve(name, state[:, 0].double().numpy(), physical.numpy(), family.domain, family.frame_time)
        )[:, None]
        assert float(relative(found, expected).max()) < 1e-4
        change = (expected - state).flatten(1).norm(dim=1)
        size = expected.flatten(1).norm(dim=1)
        lively = (change > 0.01 * size) & (size > 1e-3)
        missed = (found - expected).flatten(1).norm(dim=1)[lively] / change[lively]
        assert float(missed.max() if lively.any() else 0.0) < 1e-3


# Linear and nonlinear parts in exponax's terms: d the derivatives, lap the Laplacian, p the parameters of one operator.
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
    # exponax's velocity and forcing have the other sign.
    "navier_stokes": lambda d, p, cut, n: nonlin_fun.VorticityConvection2dKolmogorov(
        2, n, derivative_operator=d, dealiasing_fraction=cut, convection_scale=-1.0, injection_scale=-p[2]
    ),
}


class Equation(exponax.BaseStepper):  # type: ignore[misc]
    """exponax's integrator with the parts of one family, for one operator."""

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
        return NONLINEAR[self.name](derivatives, self.parameters, cut_of(self.name, self.num_points), self.num_points)


def cut_of(name: str, grid: int) -> float:
    """The fraction that makes exponax keep |n| < N / (degree + 1), as the families do; it keeps |n| <= f N / 2 - 1."""
    highest = math.ceil(grid / (DEGREE[name] + 1)) - 1
    return (highest + 1.01) / (grid // 2)


def stepper_of(name: str, p: tuple[float, ...], grid: int) -> Any:
    family = FAMILIES[name]
    step = family.frame_time / FINE_STEPS
    if name == "cahn_hilliard":
        return exponax.stepper.reaction.CahnHilliard(
            2, family.domain, grid, step, diffusivity=p[0], gamma=p[1], order=4, dealiasing_fraction=cut_of(name, grid)
        )
    if name == "wave":
        return exponax.stepper.Wave(2, family.domain, grid, step, speed_of_sound=p[0])
    return Equation(name, p, grid)


def exponax_state(name: str, state: Tensor, physical: Tensor) -> Tensor:
    """States [B, M, C, H, W] in exponax's variables, which are the usual ones."""
    if name == "cahn_hilliard":
        return physical[:, 2].view(-1, 1, 1, 1, 1) + state
    if name == "gray_scott":
        return torch.cat([1 - state[:, :, :1], state[:, :, 1:]], 2)
    return state


@pytest.mark.parametrize("name", [*LINEAR, "cahn_hilliard", "wave"])
def test_a_frame_is_that_of_exponax(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 1)[[1, -2, -1]]
    if name == "wave":
        physical[:, 1:] = 0  # it has neither damping nor mass
    state = after(family, physical, starts(family, physical, ODD_GRID), 2)
    begin = exponax_state(name, state, physical)[:, 0].double().numpy().swapaxes(2, 3)  # exponax's first axis is x
    ends = []
    with jax.enable_x64(True):
        for fields, parameters in zip(begin, physical.tolist(), strict=True):
            stepper = stepper_of(name, tuple(parameters), ODD_GRID)
            ends.append(np.array(jax.jit(exponax.repeat(stepper, FINE_STEPS))(jax.numpy.asarray(fields))))
    expected = torch.from_numpy(np.stack(ends).swapaxes(2, 3).copy())[:, None]
    found = exponax_state(name, after(family, physical, state, 1), physical)
    assert float(relative(found, expected).max()) < 1e-4
