"""Two-dimensional Navier-Stokes equations for the vorticity w with Kolmogorov forcing and drag:

w_t + u . grad w = D lap w - r w + n s cos(n y),   u = (psi_y, -psi_x),   -lap psi = w,   n = 4
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear
from spinlock.operators.spectral import DealiasedModes, to_complex64

FORCED_CYCLES = 4
"""Wave number n of the forcing in cycles per domain."""


@dataclass(frozen=True, kw_only=True)
class NavierStokes(Semilinear):
    """Two-dimensional Navier-Stokes equations with Kolmogorov forcing and drag on the square of side 2 pi.

    The channel is the vorticity w, w_t + u . grad w = D lap w - r w + n s cos(n y) with n = 4.

    Parameters
    ----------
    viscosity
        Viscosity D. Vortices with n cycles per domain decay in a time of 1 / (D n^2). After 64 frames only the largest
        vortices remain for D = 0.1, and most of them for D = 0.005.
    drag
        Drag coefficient r. Vortices of every size decay in a time of 1 / r.
    forcing
        Amplitude s of the forcing. Without forcing turbulence decays. The steady state
        w = n s cos(n y) / (D n^2 + r) is unstable for strong forcing.
    """

    name = "navier_stokes"
    channels = 1
    domain = 2 * math.pi
    frame_time = 0.12
    substeps = 5
    degree = 2
    error_ratio = 0.5

    viscosity: float = 0.01
    drag: float = 0.1
    forcing: float = 0.3

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return -D |k|^2 - r."""
        viscosity, drag, _ = self.columns(physical)
        return -viscosity * modes.square - drag

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return n s cos(n y) - div(u w)."""
        height, width = modes.grid
        inverse_laplacian = 1 / modes.square.where(modes.square > 0, torch.inf)
        ones = torch.ones_like(modes.square)
        flow = to_complex64(torch.stack([1j * modes.y * inverse_laplacian, -1j * modes.x * inverse_laplacian, ones]))
        divergence = to_complex64(-1j * torch.stack([modes.x * ones, modes.y * ones]))
        y = torch.arange(height, dtype=torch.float64, device=physical.device).view(-1, 1) * (self.domain / height)
        forcing = FORCED_CYCLES * self.columns(physical)[2] * torch.cos(FORCED_CYCLES * y).expand(height, width)
        forcing_spectrum = to_complex64(modes.spectrum(forcing))

        def advect(spectrum: Tensor) -> Tensor:
            u_x, u_y, vorticity = modes.fields(spectrum * flow).chunk(3, dim=2)
            fluxes = modes.spectrum(torch.cat([u_x * vorticity, u_y * vorticity], dim=2))
            return fluxes.mul_(divergence).sum(2, keepdim=True).add_(forcing_spectrum)

        return advect
