"""Cahn-Hilliard equation, c_t = M lap(c^3 - c - K lap c), for the deviation u = c - m from the mean composition m:

    u_t = M lap((3 m^2 - 1) u + 3 m u^2 + u^3 - K lap u)          (Cahn and Hilliard 1958)

- ``mobility`` M: the clock.
- ``gradient_energy`` K: interfaces are sqrt(2 K) wide; patterns begin at wavelength 2 pi sqrt(2 K / (1 - 3 m^2)).
- ``composition`` m: near 0 a labyrinth, toward +-0.5 droplets, beyond 0.58 the mixture is stable and u fades.

The mean of u does not change.
"""

import math

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, smoothed
from spinlock.operators.spectral import Modes, single


class CahnHilliard(Semilinear):
    """One channel, the deviation from the mean composition."""

    name = "cahn_hilliard"
    channels = 1
    parameters = ("mobility", "gradient_energy", "composition")
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 8
    degree = 3

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """A mixture with fluctuations: 0.4 times the fields, below 0.8, after a time of 0.05 under M K lap^2 alone."""
        modes = Modes.of((fields.shape[-2], fields.shape[-1]), self.domain, is_real=True, device=fields.device)
        mobility, gradient_energy, _ = self.columns(physical)
        decay = 0.05 * mobility * gradient_energy * modes.square**2
        return smoothed(bounded(0.4 * fields, 0.8), modes, decay)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """-M |k|^2 (1 + K |k|^2): between the two phases and their interfaces, which keeps long steps stable."""
        mobility, gradient_energy, _ = self.columns(physical)
        return -mobility * modes.square * (1 + gradient_energy * modes.square)

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """M lap((3 m^2 - 2) u + 3 m u^2 + u^3), the -u that is too much in L included."""
        mobility, _, composition = self.columns(physical)
        laplacian = single(-mobility * modes.square)
        m = composition.float()
        slope, bend = 3 * m**2 - 2, 3 * m

        def mix(spectrum: Tensor) -> Tensor:
            u = modes.fields(spectrum)
            return modes.spectrum(((u + bend) * u + slope) * u).mul_(laplacian)

        return mix
