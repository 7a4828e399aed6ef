"""Damped Kuramoto-Sivashinsky equation, u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0, with mean 0."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear, smooth
from spinlock.operators.spectral import DealiasedModes, Modes, to_complex64


@dataclass(frozen=True, kw_only=True)
class KuramotoSivashinsky(Semilinear):
    """Damped Kuramoto-Sivashinsky equation, u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0.

    The side of the square is 8 pi. The channel is the height of a flame front minus its mean, so that the mean of u is
    0.

    Parameters
    ----------
    hyperviscosity
        Hyperviscosity h. Waves shorter than 2 pi sqrt(h) decay.
    advection
        Coefficient a of the nonlinear term. |u| is proportional to 1 / a.
    damping
        Damping rate r. The solutions are chaotic for r = 0, they are stationary cells for r from about 0.15 / h, and
        they decay for r above 0.25 / h.
    """

    name = "kuramoto_sivashinsky"
    channels = 1
    domain = 8 * math.pi
    frame_time = 0.5
    substeps = 5
    degree = 2
    error_ratio = 1.0

    hyperviscosity: float = 1.0
    advection: float = 1.0
    damping: float = 0.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Multiply the fields by 0.5, and smooth them by u_t = -h lap^2 u for a time of 0.1."""
        grid = (random_fields.shape[-2], random_fields.shape[-1])
        modes = Modes.of(grid, self.domain, device=random_fields.device)
        return smooth(0.5 * random_fields, modes, 0.1 * self.columns(physical)[0] * modes.square**2)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return |k|^2 - h |k|^4 - r."""
        hyperviscosity, _, damping = self.columns(physical)
        return modes.square - hyperviscosity * modes.square**2 - damping

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return -(a / 2) |grad u|^2 minus its mean."""
        _, advection, _ = self.columns(physical)
        ones = torch.ones_like(modes.square)
        gradient = to_complex64(1j * torch.stack([modes.x * ones, modes.y * ones]))
        scale = to_complex64(-0.5 * advection * (modes.square > 0))

        def advect(spectrum: Tensor) -> Tensor:
            slopes = modes.fields(spectrum * gradient)
            return modes.spectrum(slopes.square_().sum(2, keepdim=True)).mul_(scale)

        return advect
