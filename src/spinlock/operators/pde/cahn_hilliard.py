"""Cahn-Hilliard equation, c_t = M lap(c^3 - c - K lap c), for the deviation u = c - m from the mean composition m:

    u_t = M lap((3 m^2 - 1) u + 3 m u^2 + u^3 - K lap u)          (Cahn and Hilliard 1958)

The mean of u does not change.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import soft_clip
from spinlock.operators.pde.semilinear import Semilinear, smooth
from spinlock.operators.spectral import DealiasedModes, Modes, to_complex64


@dataclass(frozen=True, kw_only=True)
class CahnHilliard(Semilinear):
    """Cahn-Hilliard equation, c_t = M lap(c^3 - c - K lap c), on the square of side 2 pi.

    The channel is the deviation u = c - m from the mean composition. The mean of u does not change.

    Parameters
    ----------
    mobility
        Mobility M, which determines the time scale.
    gradient_energy
        Gradient energy K. The width of interfaces is sqrt(2 K). The fastest growing wavelength is
        2 pi sqrt(2 K / (1 - 3 m^2)).
    composition
        Mean composition m. Labyrinths form near 0 and droplets near +-0.5. For |m| above 0.58 the mixture is stable and
        u decays.
    """

    name = "cahn_hilliard"
    channels = 1
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 8
    degree = 3
    error_ratio = 0.25

    mobility: float = 0.2
    gradient_energy: float = 0.04
    composition: float = 0.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Multiply the fields by 0.4, limit |u| to 0.8, and smooth them by u_t = -M K lap^2 u for a time of 0.05."""
        grid = (random_fields.shape[-2], random_fields.shape[-1])
        modes = Modes.of(grid, self.domain, device=random_fields.device)
        mobility, gradient_energy, _ = self.columns(physical)
        decay = 0.05 * mobility * gradient_energy * modes.square**2
        return smooth(soft_clip(0.4 * random_fields, 0.8), modes, decay)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return -M |k|^2 (1 + K |k|^2).

        The term -M |k|^2 is subtracted again in N. With it long time steps are stable.
        """
        mobility, gradient_energy, _ = self.columns(physical)
        return -mobility * modes.square * (1 + gradient_energy * modes.square)

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return M lap((3 m^2 - 2) u + 3 m u^2 + u^3), which includes minus the additional term of L."""
        mobility, _, composition = self.columns(physical)
        laplacian = to_complex64(-mobility * modes.square)
        m = composition.float()
        first, second = 3 * m**2 - 2, 3 * m  # coefficients of u and u^2

        def chemical_potential(spectrum: Tensor) -> Tensor:
            u = modes.fields(spectrum)
            return modes.spectrum(((u + second) * u + first) * u).mul_(laplacian)

        return chemical_potential
