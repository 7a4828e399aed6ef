"""FitzHugh-Nagumo equations, u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b) (FitzHugh 1961)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import soft_clip
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import DealiasedModes


@dataclass(frozen=True, kw_only=True)
class FitzHughNagumo(Semilinear):
    """FitzHugh-Nagumo equations, u_t = lap u + u - u^3 - v, v_t = D lap v + e (u - g v + b), on the square of side 40.

    The two channels are the activator u and the inhibitor v.

    Parameters
    ----------
    timescale
        Rate e of the inhibitor; v follows u in a time of about 1 / e. For small e waves have sharp fronts and long
        tails.
    recovery
        Coefficient g of the recovery. There is one uniform steady state for g < 1. For g > 1 and small b there are two
        stable steady states.
    threshold
        Constant b. For b near 0 and small g the steady state is unstable and u oscillates. If |u| > 1 / sqrt(3) in the
        steady state, the medium is excitable instead.
    inhibitor_diffusivity
        Diffusivity D of the inhibitor. Waves and spirals form for D < 1, and stationary spots and stripes for D well
        above 1.
    """

    name = "fitzhugh_nagumo"
    channels = 2
    domain = 40.0
    frame_time = 0.8
    substeps = 6
    degree = 3
    error_ratio = 0.4

    timescale: float = 0.1
    recovery: float = 0.5
    threshold: float = 0.0
    inhibitor_diffusivity: float = 1.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Limit |u| and |v| to 1.2, and divide v by 3."""
        return soft_clip(random_fields, 1.2) * random_fields.new_tensor([1.0, 1 / 3]).view(2, 1, 1)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return 1 - |k|^2 and -D |k|^2 - e g."""
        timescale, recovery, _, diffusivity = self.columns(physical)
        activator = (1 - modes.square).expand(len(physical), 1, 1, -1, -1)
        inhibitor = -diffusivity * modes.square - timescale * recovery
        return torch.cat([activator, inhibitor], dim=2)

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return -u^3 - v and e (u + b)."""
        timescale, _, threshold, _ = (column.float() for column in self.columns(physical))

        def rate(fields: Tensor) -> Tensor:
            u, v = fields.chunk(2, dim=2)
            return torch.cat([-(u**3) - v, timescale * (u + threshold)], dim=2)

        return reaction(modes, rate)
