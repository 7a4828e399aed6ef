"""Swift-Hohenberg equation, u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3 (Swift and Hohenberg 1977)."""

import math
from dataclasses import dataclass

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import soft_clip
from spinlock.operators.pde.semilinear import Semilinear, reaction, smooth
from spinlock.operators.spectral import DealiasedModes, Modes


@dataclass(frozen=True, kw_only=True)
class SwiftHohenberg(Semilinear):
    """Swift-Hohenberg equation, u_t = r u - (q^2 + lap)^2 u + g u^2 - u^3, on the square of side 10 pi.

    The channel is the order parameter u. Patterns have a single wave number.

    Parameters
    ----------
    control
        Control parameter r. For r < 0 (with a quadratic term, for r < -g^2 / 15) fields decay. For r > 0 waves with the
        wavelength 2 pi / q grow.
    quadratic
        Coefficient g of the quadratic term. Stripes and labyrinths form for g = 0, and hexagonal patterns of spots for
        g above about sqrt(r).
    wavenumber
        Critical wave number q. For q = 1 the side of the square is five wavelengths.
    """

    name = "swift_hohenberg"
    channels = 1
    domain = 10 * math.pi
    frame_time = 1.0
    substeps = 8
    degree = 3
    error_ratio = 0.5

    control: float = 0.3
    quadratic: float = 0.0
    wavenumber: float = 1.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Limit |u| to 1, and smooth the fields by u_t = -lap^2 u for a time of 0.1."""
        grid = (random_fields.shape[-2], random_fields.shape[-1])
        modes = Modes.of(grid, self.domain, device=random_fields.device)
        return smooth(soft_clip(random_fields, 1.0), modes, 0.1 * modes.square**2)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return r - (q^2 - |k|^2)^2."""
        control, _, wavenumber = self.columns(physical)
        return control - (wavenumber**2 - modes.square) ** 2

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return g u^2 - u^3."""
        quadratic = self.columns(physical)[1].float()
        return reaction(modes, lambda u: (quadratic - u) * u * u)
