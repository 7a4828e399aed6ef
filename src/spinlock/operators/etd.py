"""Exponential time differencing for u' = L u + N(u) with diagonal L (Cox and Matthews 2002).

With z = h L, phi_1(z) = (e^z - 1) / z and phi_2(z) = (e^z - 1 - z) / z^2, one step of length h is, to second order,

    a  = e^z u + h phi_1(z) N(u)
    u' = a + h phi_2(z) (N(a) - N(u))

and to fourth order, with E = e^{z/2} and Q = (h / 2) phi_1(z / 2),

    a = E u + Q N(u),   b = E u + Q N(a),   c = E a + Q (2 N(b) - N(u))
    u' = e^z u + f_1 N(u) + 2 f_2 (N(a) + N(b)) + f_3 N(c)

The formulas of the weights lose all digits near z = 0. There each weight is the mean of its formula over a circle
around z, on which the formula is well conditioned (Kassam and Trefethen 2005). Elsewhere the formula is evaluated
directly.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from spinlock.operators.spectral import single

Nonlinear = Callable[[Tensor], Tensor]
"""N as a map of spectra; its values in modes that are not kept are ignored."""

CIRCLE_POINTS = 32
"""Number of points on a circle over which a weight is averaged."""

CIRCLE_RADIUS = 2.0
"""Radius of the circles around |z| < 1; their points have a distance of at least 1 from 0."""


def step_function(
    linear: Tensor, kept: Tensor, step: float, order: int, nonlinear: Nonlinear
) -> Callable[[Tensor], Tensor]:
    """Return the map of spectra over one time step.

    Parameters
    ----------
    linear
        L, real or complex float64, broadcast against the spectra.
    kept
        Mask of the modes that N contributes to, 0 or 1.
    step
        Length of the step.
    order
        Order in time, 2 or 4.
    nonlinear
        N.

    Returns
    -------
    callable
        Map of spectra to the spectra one step later.

    Raises
    ------
    ValueError
        The order is neither 2 nor 4.
    """
    if order == 2:
        return _second_order(linear * step, kept * step, nonlinear)
    if order == 4:
        return _fourth_order(linear * step, kept * step, nonlinear)
    raise ValueError(f"order is {order}, expected 2 or 4")


def circle_mean(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Evaluate an entire function whose formula divides by powers of z, at real or complex ``z``."""
    radius = CIRCLE_RADIUS * (z.abs() < 1).double()
    total = torch.zeros_like(z, dtype=torch.complex128)
    for point in range(CIRCLE_POINTS):
        angle = 2 * math.pi * (point + 0.5) / CIRCLE_POINTS
        total += function(z + radius * complex(math.cos(angle), math.sin(angle)))
    mean = total / CIRCLE_POINTS
    return mean if z.is_complex() else mean.real


def _second_order(z: Tensor, h: Tensor, nonlinear: Nonlinear) -> Callable[[Tensor], Tensor]:
    """The second-order step."""
    grow = single(torch.exp(z))
    first = single(h * circle_mean(lambda z: (torch.exp(z) - 1) / z, z))
    second = single(h * circle_mean(lambda z: (torch.exp(z) - 1 - z) / z**2, z))

    def step(u: Tensor) -> Tensor:
        at_u = nonlinear(u)
        a = torch.addcmul(grow * u, first, at_u)
        return torch.addcmul(a, second, nonlinear(a).sub_(at_u))

    return step


def _fourth_order(z: Tensor, h: Tensor, nonlinear: Nonlinear) -> Callable[[Tensor], Tensor]:
    """The fourth-order step."""
    grow, half = single(torch.exp(z)), single(torch.exp(z / 2))
    q = single(h * circle_mean(lambda z: (torch.exp(z / 2) - 1) / z, z))
    f1 = single(h * circle_mean(lambda z: (-4 - z + torch.exp(z) * (4 - 3 * z + z**2)) / z**3, z))
    f2 = single(h * circle_mean(lambda z: 2 * (2 + z + torch.exp(z) * (z - 2)) / z**3, z))
    f3 = single(h * circle_mean(lambda z: (-4 - 3 * z - z**2 + torch.exp(z) * (4 - z)) / z**3, z))

    def step(u: Tensor) -> Tensor:
        half_u = half * u
        at_u = nonlinear(u)
        a = torch.addcmul(half_u, q, at_u)
        at_a = nonlinear(a)
        at_b = nonlinear(half_u.addcmul_(q, at_a))
        at_c = nonlinear((half * a).addcmul_(q, torch.sub(2 * at_b, at_u)))
        return (grow * u).addcmul_(f1, at_u).addcmul_(f2, at_a.add_(at_b)).addcmul_(f3, at_c)

    return step
