"""Swift-Hohenberg equation, u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3: patterns of one wave number (1977).

- ``control`` r: below 0 (below -g^2 / 15 with a quadratic term) fields fade; above it waves of length 2 pi / q grow.
- ``quadratic`` g: 0 gives stripes and labyrinths, above about sqrt(r) hexagons of spots.
- ``wavenumber`` q: at 1 five wavelengths lie along the square.
"""

import math

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, reaction, smoothed
from spinlock.operators.spectral import Modes


class SwiftHohenberg(Semilinear):
    """One channel, the order parameter."""

    name = "swift_hohenberg"
    channels = 1
    parameters = ("control", "quadratic", "wavenumber")
    domain = 10 * math.pi
    frame_time = 1.0
    substeps = 8
    degree = 3

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """The fields, bounded by 1.0, after a time of 0.1 under lap^2 alone."""
        modes = Modes.of((fields.shape[-2], fields.shape[-1]), self.domain, is_real=True, device=fields.device)
        return smoothed(bounded(fields, 1.0), modes, 0.1 * modes.square**2)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """r - (q^2 - |k|^2)^2."""
        control, _, wavenumber = self.columns(physical)
        return control - (wavenumber**2 - modes.square) ** 2

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """g u^2 - u^3."""
        quadratic = self.columns(physical)[1].float()
        return reaction(modes, lambda u: (quadratic - u) * u * u)
