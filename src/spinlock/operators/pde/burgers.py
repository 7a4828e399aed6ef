"""Burgers' equation for a velocity (u, v) in conservative form, u_t + (a / 2) div(u (x) u) = D lap u - r u."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import soft_clip
from spinlock.operators.pde.semilinear import Semilinear
from spinlock.operators.spectral import DealiasedModes, to_complex64


@dataclass(frozen=True, kw_only=True)
class Burgers(Semilinear):
    """Burgers' equation, u_t + (a / 2) div(u (x) u) = D lap u - r u, on the square of side 2 pi.

    The two channels are the velocities along x and y. Without drag the means of both channels are conserved.

    Parameters
    ----------
    viscosity
        Viscosity D. If a |u| / D is above about 30, fronts become shocks, which merge. If it is below 3, fields only
        decay.
    advection
        Coefficient a of the advection. The rate at which fronts steepen is proportional to a.
    drag
        Drag coefficient r. If r > a |grad u|, fields decay before a shock can form.
    """

    name = "burgers"
    channels = 2
    domain = 2 * math.pi
    frame_time = 0.06
    substeps = 3
    degree = 2
    error_ratio = 1.0

    viscosity: float = 0.03
    advection: float = 1.0
    drag: float = 0.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Limit the absolute value of each velocity component to 2."""
        return soft_clip(random_fields, 2.0)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return -D |k|^2 - r."""
        viscosity, _, drag = self.columns(physical)
        return -viscosity * modes.square - drag

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return -(a / 2) (d/dx (u u, u v) + d/dy (u v, v v))."""
        _, advection, _ = self.columns(physical)
        along_x, along_y = to_complex64(-0.5j * advection * modes.x), to_complex64(-0.5j * advection * modes.y)

        def advect(spectrum: Tensor) -> Tensor:
            u, v = modes.fields(spectrum).chunk(2, dim=2)
            fluxes = modes.spectrum(torch.cat([u * u, u * v, v * v], dim=2))
            return (along_x * fluxes[:, :, :2]).addcmul_(along_y, fluxes[:, :, 1:])

        return advect
