"""Exponential time differencing for u' = L u + N(u) with diagonal L (Cox and Matthews 2002).

With z = h L, phi_1(z) = (e^z - 1) / z and phi_2(z) = (e^z - 1 - z) / z^2, one step of length h is, to second order,

    a  = e^z u + h phi_1(z) N(u)
    u' = a + h phi_2(z) (N(a) - N(u))

and to fourth order, with E = e^{z/2} and Q = (h / 2) phi_1(z / 2),

    a = E u + Q N(u),   b = E u + Q N(a),   c = E a + Q (2 N(b) - N(u))
    u' = e^z u + f_1 N(u) + 2 f_2 (N(a) + N(b)) + f_3 N(c)

The weights f_1, f_2 and f_3 are given by Cox and Matthews. The formulas of the weights suffer from cancellation near
z = 0. There each weight is computed as the mean of its formula over a circle around z, where the formula is well
conditioned (Kassam and Trefethen 2005). Elsewhere the formula is evaluated directly.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from spinlock.operators.spectral import to_complex64

Nonlinear = Callable[[Tensor], Tensor]
"""N as a map of spectra to spectra."""

CIRCLE_POINTS = 32
"""Number of points on a circle over which a weight is averaged."""

CIRCLE_RADIUS = 2.0
"""Radius of the circle around each z with |z| < 1, so that its points have a distance of at least 1 from 0."""


def step_function(linear: Tensor, step: float, order: int, nonlinear: Nonlinear) -> Callable[[Tensor], Tensor]:
    """Return the map of spectra over one time step.

    Parameters
    ----------
    linear
        L, real or complex float64, broadcast against the spectra.
    step
        Length of the step.
    order
        Order in time, 2 or 4.
    nonlinear
        N, a map of spectra to spectra.

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
        return _second_order(linear * step, step, nonlinear)
    if order == 4:
        return _fourth_order(linear * step, step, nonlinear)
    raise ValueError(f"order is {order}, expected 2 or 4")


def circle_mean(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Evaluate an entire function whose formula divides by powers of z.

    Parameters
    ----------
    function
        The formula, for complex arguments.
    z
        Real or complex arguments.

    Returns
    -------
    Tensor
        Values with the shape of ``z``, real if ``z`` is real.
    """
    radius = CIRCLE_RADIUS * (z.abs() < 1).double()
    total = torch.zeros_like(z, dtype=torch.complex128)
    for point in range(CIRCLE_POINTS):
        angle = 2 * math.pi * (point + 0.5) / CIRCLE_POINTS
        total += function(z + radius * complex(math.cos(angle), math.sin(angle)))
    mean = total / CIRCLE_POINTS
    return mean if z.is_complex() else mean.real


def _second_order(z: Tensor, h: float, nonlinear: Nonlinear) -> Callable[[Tensor], Tensor]:
    """Return the second-order step of length ``h``; ``z`` is h L."""
    grow = to_complex64(torch.exp(z))
    first = to_complex64(h * circle_mean(lambda z: (torch.exp(z) - 1) / z, z))
    second = to_complex64(h * circle_mean(lambda z: (torch.exp(z) - 1 - z) / z**2, z))

    def step(u: Tensor) -> Tensor:
        n_u = nonlinear(u)
        a = torch.addcmul(grow * u, first, n_u)
        return torch.addcmul(a, second, nonlinear(a).sub_(n_u))

    return step


def _fourth_order(z: Tensor, h: float, nonlinear: Nonlinear) -> Callable[[Tensor], Tensor]:
    """Return the fourth-order step of length ``h``; ``z`` is h L."""
    grow, half = to_complex64(torch.exp(z)), to_complex64(torch.exp(z / 2))
    q = to_complex64(h * circle_mean(lambda z: (torch.exp(z / 2) - 1) / z, z))
    f1 = to_complex64(h * circle_mean(lambda z: (-4 - z + torch.exp(z) * (4 - 3 * z + z**2)) / z**3, z))
    f2 = to_complex64(h * circle_mean(lambda z: 2 * (2 + z + torch.exp(z) * (z - 2)) / z**3, z))
    f3 = to_complex64(h * circle_mean(lambda z: (-4 - 3 * z - z**2 + torch.exp(z) * (4 - z)) / z**3, z))

    def step(u: Tensor) -> Tensor:
        half_u = half * u
        n_u = nonlinear(u)
        a = torch.addcmul(half_u, q, n_u)
        n_a = nonlinear(a)
        n_b = nonlinear(half_u.addcmul_(q, n_a))
        n_c = nonlinear((half * a).addcmul_(q, torch.sub(2 * n_b, n_u)))
        return (grow * u).addcmul_(f1, n_u).addcmul_(f2, n_a.add_(n_b)).addcmul_(f3, n_c)

    return step
