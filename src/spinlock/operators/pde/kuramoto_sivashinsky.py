"""Damped Kuramoto-Sivashinsky equation, u_t + (a / 2) |grad u|^2 + lap u + h lap^2 u + r u = 0, the mean kept at 0.

- ``hyperviscosity`` h: waves shorter than 2 pi sqrt(h) fade.
- ``advection`` a: the size of u is inversely proportional to it.
- ``damping`` r: 0 gives chaos; from about 0.15 / h cells that stand still, above 0.25 / h everything fades.
"""

import math

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear, smoothed
from spinlock.operators.spectral import Modes, single


class KuramotoSivashinsky(Semilinear):
    """One channel, the height of a flame front above its mean."""

    name = "kuramoto_sivashinsky"
    channels = 1
    parameters = ("hyperviscosity", "advection", "damping")
    domain = 8 * math.pi
    frame_time = 0.5
    substeps = 5
    degree = 2

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """Half the fields, after a time of 0.1 under h lap^2 alone."""
        modes = Modes.of((fields.shape[-2], fields.shape[-1]), self.domain, is_real=True, device=fields.device)
        return smoothed(0.5 * fields, modes, 0.1 * self.columns(physical)[0] * modes.square**2)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """|k|^2 - h |k|^4 - r."""
        hyperviscosity, _, damping = self.columns(physical)
        return modes.square - hyperviscosity * modes.square**2 - damping

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """-(a / 2) |grad u|^2 less its mean."""
        _, advection, _ = self.columns(physical)
        ones = torch.ones_like(modes.square)
        gradient = single(1j * torch.stack([modes.x * ones, modes.y * ones]))
        scale = single(-0.5 * advection * (modes.square > 0))

        def steepen(spectrum: Tensor) -> Tensor:
            slopes = modes.fields(spectrum * gradient)
            return modes.spectrum(slopes.square_().sum(2, keepdim=True)).mul_(scale)

        return steepen
