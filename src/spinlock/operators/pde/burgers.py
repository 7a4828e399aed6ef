"""Burgers' equation for a velocity (u, v), in its conservative form: u_t + (a / 2) div(u (x) u) = D lap u - r u.

- ``viscosity`` D: with a |u| / D above about 30 fronts steepen into shocks, which merge; below 3 fields only fade.
- ``advection`` a: how fast fronts steepen.
- ``drag`` r: above a |grad u| everything fades before a shock can form. Without it the means of
  both channels are conserved.
"""

import math

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear
from spinlock.operators.spectral import Modes, single


class Burgers(Semilinear):
    """Two channels, the velocity along x and along y."""

    name = "burgers"
    channels = 2
    parameters = ("viscosity", "advection", "drag")
    domain = 2 * math.pi
    frame_time = 0.06
    substeps = 3
    degree = 2

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """The fields, bounded by 2.0."""
        return bounded(fields, 2.0)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """-D |k|^2 - r."""
        viscosity, _, drag = self.columns(physical)
        return -viscosity * modes.square - drag

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """-(a / 2) (d/dx (u u, u v) + d/dy (u v, v v))."""
        _, advection, _ = self.columns(physical)
        along_x, along_y = single(-0.5j * advection * modes.x), single(-0.5j * advection * modes.y)

        def advect(spectrum: Tensor) -> Tensor:
            u, v = modes.fields(spectrum).chunk(2, dim=2)
            fluxes = modes.spectrum(torch.cat([u * u, u * v, v * v], dim=2))
            return (along_x * fluxes[:, :, :2]).addcmul_(along_y, fluxes[:, :, 1:])

        return advect
