"""Damped Kuramoto-Sivashinsky equation, u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0, with mean 0."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear, smoothed
from spinlock.operators.spectral import Modes, single


@dataclass(frozen=True, kw_only=True)
class KuramotoSivashinsky(Semilinear):
    """Damped Kuramoto-Sivashinsky equation, u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0.

    The square has the side 8 pi. The channel is the height of a flame front above its mean, so that the mean is 0.

    Parameters
    ----------
    hyperviscosity
        h. Waves shorter than 2 pi sqrt(h) decay.
    advection
        a. The size of u is inversely proportional to it.
    damping
        r. 0 gives chaos; from about 0.15 / h cells are stationary; above 0.25 / h every field decays.
    """

    name = "kuramoto_sivashinsky"
    channels = 1
    domain = 8 * math.pi
    frame_time = 0.5
    substeps = 5
    degree = 2

    hyperviscosity: float = 1.0
    advection: float = 1.0
    damping: float = 0.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Halve the fields, and smooth them over a time of 0.1 with -h lap^2 alone."""
        grid = (random_fields.shape[-2], random_fields.shape[-1])
        modes = Modes.of(grid, self.domain, is_real=True, device=random_fields.device)
        return smoothed(0.5 * random_fields, modes, 0.1 * self.columns(physical)[0] * modes.square**2)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """Return |k|^2 - h |k|^4 - r."""
        hyperviscosity, _, damping = self.columns(physical)
        return modes.square - hyperviscosity * modes.square**2 - damping

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """Return -(a / 2) |grad u|^2 minus its mean."""
        _, advection, _ = self.columns(physical)
        ones = torch.ones_like(modes.square)
        gradient = single(1j * torch.stack([modes.x * ones, modes.y * ones]))
        scale = single(-0.5 * advection * (modes.square > 0))

        def steepen(spectrum: Tensor) -> Tensor:
            slopes = modes.fields(spectrum * gradient)
            return modes.spectrum(slopes.square_().sum(2, keepdim=True)).mul_(scale)

        return steepen
