"""The families that exponax can solve, with the parameters of Spinlock."""

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from spinlock.operators.pde import FAMILIES
from tests.operators.method_of_lines import DEGREE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # warnings of JAX and its dependencies during import
    import exponax
    import jax
    from exponax import nonlin_fun
    from exponax.stepper.reaction._gray_scott import GrayScottNonlinearFun

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
EXACT = ("advection_diffusion", "wave")
"""The linear families, which both programs solve exactly."""

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


NAMES = [*LINEAR, "cahn_hilliard", "wave"]
"""The families that exponax can solve."""


class Equation(exponax.BaseStepper):  # type: ignore[misc]
    """The integrator of exponax with the terms of one family, for one operator."""

    name: str
    parameters: tuple[float, ...]

    def __init__(self, name: str, parameters: tuple[float, ...], grid: int, steps: int) -> None:
        self.name, self.parameters = name, parameters
        family = FAMILIES[name]
        order = 0 if name in EXACT else 4
        length = family.frame_time / steps
        super().__init__(
            2, family.domain, grid, length, num_channels=family.channels, order=order, num_circle_points=64
        )

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


def stepper_of(name: str, p: tuple[float, ...], grid: int, steps: int) -> Any:
    """The map of exponax over one of ``steps`` steps of a frame of the operator with the parameters p."""
    family = FAMILIES[name]
    length = family.frame_time / steps
    if name == "cahn_hilliard":
        return exponax.stepper.reaction.CahnHilliard(
            2,
            family.domain,
            grid,
            length,
            diffusivity=p[0],
            gamma=p[1],
            order=4,
            dealiasing_fraction=dealiasing_fraction_of(name, grid),
        )
    if name == "wave":
        return exponax.stepper.Wave(2, family.domain, grid, length, speed_of_sound=p[0])
    return Equation(name, p, grid, steps)


def exponax_state(name: str, state: Tensor, physical: Tensor) -> Tensor:
    """States [B, M, C, H, W] in the variables of exponax."""
    if name == "cahn_hilliard":
        return physical[:, 2].view(-1, 1, 1, 1, 1) + state
    if name == "gray_scott":
        return torch.cat([1 - state[:, :, :1], state[:, :, 1:]], 2)
    return state
