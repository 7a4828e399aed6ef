"""Two-dimensional Navier-Stokes equations for the vorticity w with Kolmogorov forcing and drag:

w_t + u . grad w = D lap w - r w + n s cos(n y),   u = (psi_y, -psi_x),   -lap psi = w,   n = 4
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear
from spinlock.operators.spectral import Modes, single

FORCED_CYCLES = 4
"""Wave number of the forcing, n."""


@dataclass(frozen=True, kw_only=True)
class NavierStokes(Semilinear):
    """Two-dimensional Navier-Stokes equations with Kolmogorov forcing and drag on the square of side 2 pi.

    The channel is the vorticity w, w_t + u . grad w = D lap w - r w + n s cos(n y) with n = 4.

    Parameters
    ----------
    viscosity
        D. Vortices with n cycles decay in a time of 1 / (D n^2): at 0.1 only the largest remain after 64 frames, at
        0.005 most of them.
    drag
        r. Vortices of every size decay in a time of 1 / r.
    forcing
        s. 0 gives decaying turbulence. The steady state w = n s cos(n y) / (D n^2 + r) is unstable for strong forcing.
    """

    name = "navier_stokes"
    channels = 1
    domain = 2 * math.pi
    frame_time = 0.12
    substeps = 5
    degree = 2

    viscosity: float = 0.01
    drag: float = 0.1
    forcing: float = 0.3

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """Return -D |k|^2 - r."""
        viscosity, drag, _ = self.columns(physical)
        return -viscosity * modes.square - drag

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """Return n s cos(n y) - div(u w)."""
        height, width = modes.grid
        potential = 1 / modes.square.where(modes.square > 0, torch.inf)
        ones = torch.ones_like(modes.square)
        flow = single(torch.stack([1j * modes.y * potential, -1j * modes.x * potential, ones]))
        divergence = single(-1j * torch.stack([modes.x * ones, modes.y * ones]))
        y = torch.arange(height, dtype=torch.float64, device=physical.device).view(-1, 1) * (self.domain / height)
        forcing = FORCED_CYCLES * self.columns(physical)[2] * torch.cos(FORCED_CYCLES * y).expand(height, width)
        driven = modes.spectrum(forcing).to(torch.complex64)

        def advect(spectrum: Tensor) -> Tensor:
            u_x, u_y, vorticity = modes.fields(spectrum * flow).chunk(3, dim=2)
            fluxes = modes.spectrum(torch.cat([u_x * vorticity, u_y * vorticity], dim=2))
            return fluxes.mul_(divergence).sum(2, keepdim=True).add_(driven)

        return advect
