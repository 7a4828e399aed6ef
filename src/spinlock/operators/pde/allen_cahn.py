"""Allen-Cahn equation, u_t = D lap u + a u - u^3 + f: phases that separate and coarsen (Allen and Cahn 1979).

- ``diffusivity`` D: interfaces are sqrt(2 D / a) wide, and curved ones move at D times their curvature.
- ``growth`` a: below 0 fields fade; above it they separate into +-sqrt(a), the faster the larger.
- ``tilt`` f: favors one phase. Beyond 2 (a / 3)^1.5 the other does not exist, and fronts run over the whole square.
"""

import math

from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import Modes


class AllenCahn(Semilinear):
    """One channel, the order parameter."""

    name = "allen_cahn"
    channels = 1
    parameters = ("diffusivity", "growth", "tilt")
    domain = 2 * math.pi
    frame_time = 0.2
    substeps = 3
    degree = 3

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """The fields, bounded by 1.5."""
        return bounded(fields, 1.5)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """-D |k|^2 + a."""
        diffusivity, growth, _ = self.columns(physical)
        return growth - diffusivity * modes.square

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """f - u^3."""
        tilt = self.columns(physical)[2].float()
        return reaction(modes, lambda u: tilt - u**3)
