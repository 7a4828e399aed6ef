"""Advection and diffusion, u_t + c . grad u = D lap u.

Each mode by itself: u_k(t) = exp(-(D |k|^2 + i c.k) t) u_k(0), which is the step, exactly.

- ``diffusivity`` D: modes of n cycles fade in 1 / (D n^2). Below 0.01 long waves travel almost unchanged; at 0.1 only
  those of one or two cycles outlive the run.
- ``velocity_x``, ``velocity_y``: c; at speed 1 a field crosses the square in 63 frames.
"""

import math

import torch
from torch import Tensor

from spinlock.operators.family import Family, Frame
from spinlock.operators.spectral import Modes, single


class AdvectionDiffusion(Family):
    """One channel; linear, and so exact whatever the frame time."""

    name = "advection_diffusion"
    channels = 1
    parameters = ("diffusivity", "velocity_x", "velocity_y")
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 1
    order = 0

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Frame:
        """One multiplication in Fourier space."""
        diffusivity, velocity_x, velocity_y = self.columns(physical)
        modes = Modes.of(grid, self.domain, is_real=True, device=physical.device)
        rate = torch.complex(-diffusivity * modes.square, -(velocity_x * modes.x + velocity_y * modes.y))
        factor = single(torch.exp(rate * self.frame_time))
        return lambda states: modes.fields(modes.spectrum(states) * factor)
