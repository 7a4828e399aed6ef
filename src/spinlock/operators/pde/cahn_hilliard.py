"""Cahn-Hilliard equation, c_t = M lap(c^3 - c - K lap c), for the deviation u = c - m from the mean composition m:

    u_t = M lap((3 m^2 - 1) u + 3 m u^2 + u^3 - K lap u)          (Cahn and Hilliard 1958)

The mean of u does not change.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, smoothed
from spinlock.operators.spectral import Modes, single


@dataclass(frozen=True, kw_only=True)
class CahnHilliard(Semilinear):
    """Cahn-Hilliard equation, c_t = M lap(c^3 - c - K lap c), on the square of side 2 pi.

    The channel is the deviation u = c - m from the mean composition. The mean of u does not change.

    Parameters
    ----------
    mobility
        M. It sets the time scale.
    gradient_energy
        K. The width of interfaces is sqrt(2 K); patterns start with the wavelength 2 pi sqrt(2 K / (1 - 3 m^2)).
    composition
        m. Labyrinths form near 0 and droplets near +-0.5; above 0.58 the mixture is stable and u decays.
    """

    name = "cahn_hilliard"
    channels = 1
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 8
    degree = 3

    mobility: float = 0.2
    gradient_energy: float = 0.04
    composition: float = 0.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Bound 0.4 times the fields by 0.8, and smooth them over a time of 0.05 with -M K lap^2 alone."""
        grid = (random_fields.shape[-2], random_fields.shape[-1])
        modes = Modes.of(grid, self.domain, is_real=True, device=random_fields.device)
        mobility, gradient_energy, _ = self.columns(physical)
        decay = 0.05 * mobility * gradient_energy * modes.square**2
        return smoothed(bounded(0.4 * random_fields, 0.8), modes, decay)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """Return -M |k|^2 (1 + K |k|^2).

        The term -M |k|^2 is subtracted again in N; it keeps long steps stable between the phases and at interfaces.
        """
        mobility, gradient_energy, _ = self.columns(physical)
        return -mobility * modes.square * (1 + gradient_energy * modes.square)

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """Return M lap((3 m^2 - 2) u + 3 m u^2 + u^3), which compensates the additional term of L."""
        mobility, _, composition = self.columns(physical)
        laplacian = single(-mobility * modes.square)
        m = composition.float()
        slope, bend = 3 * m**2 - 2, 3 * m

        def mix(spectrum: Tensor) -> Tensor:
            u = modes.fields(spectrum)
            return modes.spectrum(((u + bend) * u + slope) * u).mul_(laplacian)

        return mix
