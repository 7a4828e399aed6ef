"""Gray-Scott reaction, u_t = D lap u - u v^2 + F (1 - u), v_t = (D / R) lap v + u v^2 - (F + k) v (Pearson 1993)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import DealiasedModes


@dataclass(frozen=True, kw_only=True)
class GrayScott(Semilinear):
    """Gray-Scott reaction, u_t = D lap u - u v^2 + F (1 - u), v_t = (D / R) lap v + u v^2 - (F + k) v.

    The side of the square is 0.5. The channels are the consumed substrate 1 - u and the activator v. Both are 0 in the
    uniform state without activator.

    Parameters
    ----------
    feed
        Feed rate F. A uniform state with v > 0 exists if F > 4 (F + k)^2.
    kill
        Kill rate k. Near the limit of existence of that state, for F from 0.02 to 0.06 and k of about 0.06, there are
        dividing spots, stripes and waves. For larger k the activator disappears.
    diffusivity
        Diffusivity D of the substrate. Its diffusion length sqrt(D / F) is the length scale of the patterns.
    diffusivity_ratio
        Ratio R of the diffusivities of substrate and activator. Pearson used 2.
    """

    name = "gray_scott"
    channels = 2
    domain = 0.5
    frame_time = 10.0
    substeps = 12
    degree = 3
    error_ratio = 0.5

    feed: float = 0.037
    kill: float = 0.06
    diffusivity: float = 4e-5
    diffusivity_ratio: float = 2.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Map low values to the uniform state (0, 0), and high values to (0.5, 0.25)."""
        fraction = torch.sigmoid(4 * random_fields - 2)
        return fraction * random_fields.new_tensor([0.5, 0.25]).view(2, 1, 1)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return -D |k|^2 - F and -(D / R) |k|^2 - F - k."""
        feed, kill, diffusivity, ratio = self.columns(physical)
        substrate = -diffusivity * modes.square - feed
        activator = -diffusivity / ratio * modes.square - feed - kill
        return torch.cat([substrate, activator], dim=2)

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return u v^2 for both channels."""

        def rate(fields: Tensor) -> Tensor:
            consumed, v = fields.chunk(2, dim=2)
            product: Tensor = (1 - consumed) * v * v
            return product

        return reaction(modes, rate)
