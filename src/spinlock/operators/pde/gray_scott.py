"""Gray-Scott reaction, u_t = D lap u - u v^2 + F (1 - u), v_t = (D / R) lap v + u v^2 - (F + k) v (Pearson 1993).

- ``feed`` F and ``kill`` k: a uniform state with v > 0 exists where F > 4 (F + k)^2. Near that border, at F of 0.02 to
  0.06 and k about 0.06, are spots that divide, stripes and waves; far beyond it everything goes out.
- ``diffusivity`` D: substrate reaches sqrt(D / F), 0.02 to 0.06 by default, which is the scale of the patterns.
- ``diffusivity_ratio`` R: the activator's reach is smaller by sqrt(R). Pearson's is 2.
"""

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import Modes


class GrayScott(Semilinear):
    """Two channels, the substrate that is used up, 1 - u, and the activator v; both rest at 0."""

    name = "gray_scott"
    channels = 2
    parameters = ("feed", "kill", "diffusivity", "diffusivity_ratio")
    domain = 0.5
    frame_time = 10.0
    substeps = 12
    degree = 3

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """Pure substrate where the second field is low, and half of it turned into activator where it is high."""
        share = torch.sigmoid(4 * fields - 2)
        return share * fields.new_tensor([0.5, 0.25]).view(2, 1, 1)

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """-D |k|^2 - F and -(D / R) |k|^2 - F - k."""
        feed, kill, diffusivity, ratio = self.columns(physical)
        substrate = -diffusivity * modes.square - feed
        activator = -diffusivity / ratio * modes.square - feed - kill
        return torch.cat([substrate, activator], dim=2)

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """u v^2, which feeds both channels alike."""

        def rate(fields: Tensor) -> Tensor:
            p, v = fields.chunk(2, dim=2)
            produced: Tensor = (1 - p) * v * v
            return produced

        return reaction(modes, rate)
