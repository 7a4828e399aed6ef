"""Exponential time differencing for u' = L u + N(u) with diagonal L, of order 4 (Cox and Matthews 2002).

With z = h L, E = e^{z/2} and Q = (h / 2) phi_1(z / 2), one step of length h is

    a = E u + Q N(u),   b = E u + Q N(a),   c = E a + Q (2 N(b) - N(u))
    u' = e^z u + f_1 N(u) + f_2 (N(a) + N(b)) + f_3 N(c)
    f_1 = h (phi_1 - 3 phi_2 + 4 phi_3),   f_2 = h (2 phi_2 - 4 phi_3),   f_3 = h (4 phi_3 - phi_2)

with phi_1(z) = (e^z - 1) / z, phi_2(z) = (phi_1(z) - 1) / z and phi_3(z) = (phi_2(z) - 1/2) / z. These formulas suffer
from cancellation near z = 0. There phi_3 is computed as the mean of its formula over a circle around z, where the
formula is well conditioned (Kassam and Trefethen 2005).

An embedded method of order 3 replaces theta f_3 N(c) by theta f_3 N(u'). The difference of both results,
theta f_3 (N(u') - N(c)), estimates the error, as for Runge-Kutta methods in the interaction picture (Balac and Mahe
2013). N(u') is also the first evaluation of the next step (first same as last).

Letters: ``B`` operators, ``M`` realizations, ``C`` channels, ``X`` x ``Y`` modes.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from spinlock.operators.spectral import to_complex64

Nonlinear = Callable[[Tensor], Tensor]
"""N as a map of spectra to new spectra, which the integrator may overwrite."""

CIRCLE_POINTS = 24
"""Number of points on the circle over which phi_3 is averaged."""

CIRCLE_RADIUS = 2.0
"""Radius of the circle around each z with |z| < 1, so that its points have a distance of at least 1 from 0."""

EMBEDDED_FRACTION = 0.6
"""Fraction theta. With it the weight of N(u') is h / 10 for z = 0, as in Balac and Mahe (2013)."""


def phi_functions(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return phi_1, phi_2 and phi_3 of real or complex arguments, with the shape and the type of ``z``."""
    is_small = z.abs() < 1
    divisor = torch.where(is_small, 1.0, z)
    large_1 = torch.expm1(divisor) / divisor if not z.is_complex() else (torch.exp(divisor) - 1) / divisor
    large_2 = (large_1 - 1) / divisor
    phi_3 = (large_2 - 0.5) / divisor
    phi_3[is_small] = _circle_mean(_phi_3, z[is_small])
    phi_2 = torch.where(is_small, z * phi_3 + 0.5, large_2)
    phi_1 = torch.where(is_small, z * phi_2 + 1, large_1)
    return phi_1, phi_2, phi_3


def _phi_3(z: Tensor) -> Tensor:
    """Return phi_3 by its direct formula, which loses digits near 0."""
    result: Tensor = (torch.exp(z) - 1 - z - z**2 / 2) / z**3
    return result


def _circle_mean(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Return the mean of an entire function over a circle around each ``z``, which is its value at ``z``.

    For real ``z`` the values on the lower half of the circle are the complex conjugates of those on the upper half.
    """
    num_points = CIRCLE_POINTS if z.is_complex() else CIRCLE_POINTS // 2
    total = torch.zeros_like(z, dtype=torch.complex128)
    for point in range(num_points):
        angle = 2 * math.pi * (point + 0.5) / CIRCLE_POINTS
        total += function(z + CIRCLE_RADIUS * complex(math.cos(angle), math.sin(angle)))
    mean = total / num_points
    return mean if z.is_complex() else mean.real


def step_weights(linear: Tensor, step: float) -> Tensor:
    """Return the weights of a step.

    Parameters
    ----------
    linear
        L, [B, 1, C or 1, X, Y], real or complex float64.
    step
        Length h of the step.

    Returns
    -------
    Tensor
        e^z, e^{z/2}, Q, f_1, f_2 and f_3, [B, 6, C or 1, X, Y] complex64.
    """
    z = linear * step
    phi_1, phi_2, phi_3 = phi_functions(z)
    half_phi_1, _, _ = phi_functions(z / 2)
    weights = (
        torch.exp(z),
        torch.exp(z / 2),
        step / 2 * half_phi_1,
        step * (phi_1 - 3 * phi_2 + 4 * phi_3),
        step * (2 * phi_2 - 4 * phi_3),
        step * (4 * phi_3 - phi_2),
    )
    return to_complex64(torch.cat(weights, 1))


def integrate(weights: Tensor, nonlinear: Nonlinear, spectrum: Tensor, num_substeps: int) -> tuple[Tensor, Tensor]:
    """Take several steps, and estimate the error.

    Parameters
    ----------
    weights
        Weights of one step, [B, 6, C or 1, X, Y], from :func:`step_weights`.
    nonlinear
        N, a map of spectra to spectra.
    spectrum
        Spectra u, [B, M, C, X, Y].
    num_substeps
        Number of steps.

    Returns
    -------
    spectrum : Tensor
        Spectra after all steps.
    error : Tensor
        Estimate of the relative error, [B, M], in the Euclidean norm over the stored modes. It is the sum over all
        steps of the estimate of the step relative to its result. The last step needs an additional evaluation of N.
    """
    exp_z, exp_half_z, q, f1, f2, f3 = weights.chunk(6, dim=1)
    u, n_u = spectrum, nonlinear(spectrum)
    error = torch.zeros(spectrum.shape[:2], device=spectrum.device)
    for _ in range(num_substeps):
        half_u = exp_half_z * u
        a = torch.addcmul(half_u, q, n_u)
        n_a = nonlinear(a)
        b = half_u.addcmul_(q, n_a)
        n_b = nonlinear(b)
        c = (exp_half_z * a).addcmul_(q, torch.sub(2 * n_b, n_u))
        n_c = nonlinear(c)
        u = (exp_z * u).addcmul_(f1, n_u).addcmul_(f2, n_a.add_(n_b)).addcmul_(f3, n_c)
        n_u = nonlinear(u)
        error += _norm(f3 * torch.sub(n_u, n_c)) / _norm(u).clamp_min(torch.finfo(error.dtype).tiny)
    return u, EMBEDDED_FRACTION * error


def _norm(spectrum: Tensor) -> Tensor:
    """Return the Euclidean norm of spectra [B, M, C, X, Y] over channels and stored modes, as a tensor [B, M]."""
    return torch.view_as_real(spectrum).square().sum((-4, -3, -2, -1)).sqrt()
