"""Allen-Cahn equation, u_t = D lap u + a u - u^3 + f (Allen and Cahn 1979)."""

import math
from dataclasses import dataclass

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import soft_clip
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import DealiasedModes


@dataclass(frozen=True, kw_only=True)
class AllenCahn(Semilinear):
    """Allen-Cahn equation, u_t = D lap u + a u - u^3 + f, on the square of side 2 pi; one channel, the order parameter.

    Two phases separate, and their domains grow (coarsening).

    Parameters
    ----------
    diffusivity
        Diffusivity D. The width of interfaces is sqrt(2 D / a), and the speed of a curved interface is D times its
        curvature.
    growth
        Growth rate a. For a < 0 fields decay. For a > 0 they separate into the phases +-sqrt(a), faster for larger a.
    tilt
        Constant f, which favors one phase. For |f| above 2 (a / 3)^1.5 the other phase does not exist, and fronts cross
        the whole square.
    """

    name = "allen_cahn"
    channels = 1
    domain = 2 * math.pi
    frame_time = 0.2
    substeps = 3
    degree = 3
    error_ratio = 0.4

    diffusivity: float = 0.02
    growth: float = 1.0
    tilt: float = 0.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Limit |u| to 1.5."""
        return soft_clip(random_fields, 1.5)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return -D |k|^2 + a."""
        diffusivity, growth, _ = self.columns(physical)
        return growth - diffusivity * modes.square

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return f - u^3."""
        tilt = self.columns(physical)[2].float()
        return reaction(modes, lambda u: tilt - u**3)
