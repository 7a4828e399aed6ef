"""Advection and diffusion, u_t + c . grad u = D lap u.

Each Fourier mode evolves independently: u_k(t) = exp(-(D |k|^2 + i c.k) t) u_k(0). The step uses this exact solution.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.family import Family
from spinlock.operators.rollout import Step
from spinlock.operators.spectral import Modes, to_complex64


@dataclass(frozen=True, kw_only=True)
class AdvectionDiffusion(Family):
    """Advection and diffusion, u_t + c . grad u = D lap u, on the square of side 2 pi; one channel.

    The equation is linear, and the step is exact for every frame time.

    Parameters
    ----------
    diffusivity
        Diffusivity D. A mode with n cycles per domain decays in a time of 1 / (D n^2). For D below 0.01 long waves move
        almost unchanged. For D = 0.1 only modes with one or two cycles remain after 64 frames.
    velocity_x
        Component of c along x. With speed 1 a field crosses the square in 63 frames.
    velocity_y
        Component of c along y.
    """

    name = "advection_diffusion"
    channels = 1
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 1
    order = 0

    diffusivity: float = 0.01
    velocity_x: float = 1.0
    velocity_y: float = 0.5

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Step:
        """Return the map from one frame to the next, a multiplication in Fourier space."""
        diffusivity, velocity_x, velocity_y = self.columns(physical)
        modes = Modes.of(grid, self.domain, device=physical.device)
        rate = torch.complex(-diffusivity * modes.square, -(velocity_x * modes.x + velocity_y * modes.y))
        factor = to_complex64(torch.exp(rate * self.frame_time))
        return lambda states, _: modes.fields(modes.spectrum(states) * factor)
