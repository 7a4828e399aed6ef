"""Swift-Hohenberg equation, u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3 (Swift and Hohenberg 1977)."""

import math
from dataclasses import dataclass

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, reaction, smoothed
from spinlock.operators.spectral import Modes


@dataclass(frozen=True, kw_only=True)
class SwiftHohenberg(Semilinear):
    """Swift-Hohenberg equation, u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3, on the square of side 10 pi.

    The channel is the order parameter; patterns have a single wave number.

    Parameters
    ----------
    control
        r. Below 0 (below -g^2 / 15 with a quadratic term) fields decay; above 0 waves of length 2 pi / q grow.
    quadratic
        g. 0 gives stripes and labyrinths, values above about sqrt(r) give hexagons of spots.
    wavenumber
        q. At 1 the side of the square has five wavelengths.
    """

    name = "swift_hohenberg"
    channels = 1
    domain = 10 * math.pi
    frame_time = 1.0
    substeps = 8
    degree = 3

    control: float = 0.3
    quadratic: float = 0.0
    wavenumber: float = 1.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Bound the fields by 1, and smooth them over a time of 0.1 with -lap^2 alone."""
        grid = (random_fields.shape[-2], random_fields.shape[-1])
        modes = Modes.of(grid, self.domain, is_real=True, device=random_fields.device)
        return smoothed(bounded(random_fields, 1.0), modes, 0.1 * modes.square**2)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """Return r - (q^2 - |k|^2)^2."""
        control, _, wavenumber = self.columns(physical)
        return control - (wavenumber**2 - modes.square) ** 2

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """Return g u^2 - u^3."""
        quadratic = self.columns(physical)[1].float()
        return reaction(modes, lambda u: (quadratic - u) * u * u)
