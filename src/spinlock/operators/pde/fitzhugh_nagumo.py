"""FitzHugh-Nagumo equations, u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b) (FitzHugh 1961)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import Modes


@dataclass(frozen=True, kw_only=True)
class FitzHughNagumo(Semilinear):
    """FitzHugh-Nagumo equations, u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b), on the square of side 40.

    The two channels are the activator u and the inhibitor v.

    Parameters
    ----------
    timescale
        e. Small values give sharp fronts with long tails; v follows u in a time of about 1 / e.
    recovery
        g. Below 1 there is one uniform steady state; above 1 and for small b there are two stable ones.
    threshold
        b. Near 0 and for small g the steady state u = 0 oscillates; if |u| > 1 / sqrt(3) there, it is only excitable.
    inhibitor_diffusivity
        D. Below 1 there are waves and spirals, well above 1 stationary spots and stripes.
    """

    name = "fitzhugh_nagumo"
    channels = 2
    domain = 40.0
    frame_time = 0.8
    substeps = 6
    degree = 3

    timescale: float = 0.1
    recovery: float = 0.5
    threshold: float = 0.0
    inhibitor_diffusivity: float = 1.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Bound the fields by 1.2, and divide the inhibitor by 3."""
        return bounded(random_fields, 1.2) * random_fields.new_tensor([1.0, 1 / 3]).view(2, 1, 1)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """Return 1 - |k|^2 and -D |k|^2 - e g."""
        timescale, recovery, _, diffusivity = self.columns(physical)
        activator = (1 - modes.square).expand(len(physical), 1, 1, -1, -1)
        inhibitor = -diffusivity * modes.square - timescale * recovery
        return torch.cat([activator, inhibitor], dim=2)

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """Return -u^3 - v and e (u + b)."""
        timescale, _, threshold, _ = (column.float() for column in self.columns(physical))

        def rate(fields: Tensor) -> Tensor:
            u, v = fields.chunk(2, dim=2)
            return torch.cat([-(u**3) - v, timescale * (u + threshold)], dim=2)

        return reaction(modes, rate)
