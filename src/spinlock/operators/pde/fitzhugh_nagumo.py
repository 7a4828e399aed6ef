"""FitzHugh-Nagumo equations, u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b)  (FitzHugh 1961).

- ``timescale`` e: small for sharp fronts with long tails; v follows u in a time of about 1 / e.
- ``recovery`` g: below 1 there is one uniform state of rest, above it, where b is small, two that are stable.
- ``threshold`` b: at 0 and small g the state of rest u = 0 oscillates; once |u| > 1 / sqrt(3) there it is only excited.
- ``inhibitor_diffusivity`` D: below 1 waves and spirals, well above it spots and stripes that stand still.
"""

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import bounded
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import Modes


class FitzHughNagumo(Semilinear):
    """Two channels, the activator u and the inhibitor v."""

    name = "fitzhugh_nagumo"
    channels = 2
    parameters = ("timescale", "recovery", "threshold", "inhibitor_diffusivity")
    domain = 40.0
    frame_time = 0.8
    substeps = 6
    degree = 3

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """Activator as it is, inhibitor at a third."""
        return bounded(fields, 1.2) * fields.new_tensor([1.0, 1 / 3]).view(2, 1, 1)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """1 - |k|^2 and -D |k|^2 - e g."""
        timescale, recovery, _, diffusivity = self.columns(physical)
        activator = (1 - modes.square).expand(len(physical), 1, 1, -1, -1)
        inhibitor = -diffusivity * modes.square - timescale * recovery
        return torch.cat([activator, inhibitor], dim=2)

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """-u^3 - v and e (u + b)."""
        timescale, _, threshold, _ = (column.float() for column in self.columns(physical))

        def rate(fields: Tensor) -> Tensor:
            u, v = fields.chunk(2, dim=2)
            return torch.cat([-(u**3) - v, timescale * (u + threshold)], dim=2)

        return reaction(modes, rate)
