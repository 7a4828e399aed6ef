"""Damped Klein-Gordon wave, h_tt + 2 g h_t = c^2 lap h - m^2 h, for the displacement h and the velocity v = h_t.

Each Fourier mode evolves independently, with O^2 = c^2 |k|^2 + m^2 - g^2:

    (h, v)(t) = e^{-g t} [cos(O t) 1 + sin(O t) / O (A + g 1)] (h, v)(0),   A = ((0, 1), (-c^2 |k|^2 - m^2, -2 g))

The step uses this exact solution.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.family import Family
from spinlock.operators.rollout import Step
from spinlock.operators.spectral import Modes, to_complex64


@dataclass(frozen=True, kw_only=True)
class Wave(Family):
    """Damped Klein-Gordon wave, h_tt + 2 g h_t = c^2 lap h - m^2 h, on the square of side 2 pi.

    The two channels are the displacement h and the velocity v = h_t, whose random initial fields are independent. The
    equation is linear, and the step is exact for every frame time.

    Parameters
    ----------
    speed
        Wave speed c. With c = 1 a front crosses the square in 63 frames.
    damping
        Damping rate g. Below 0.05 waves persist for 64 frames. If g > c |k| and m is small (telegraph equation), long
        waves do not oscillate but spread by diffusion.
    mass
        Mass m, the lowest frequency. If m > c |k|, the field oscillates almost uniformly, and waves are dispersive.
    """

    name = "wave"
    channels = 2
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 1
    order = 0

    speed: float = 1.0
    damping: float = 0.0
    mass: float = 0.0

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Step:
        """Return the map from one frame to the next, a product with a 2 x 2 matrix for each mode."""
        speed, damping, mass = self.columns(physical)
        modes = Modes.of(grid, self.domain, device=physical.device)
        stiffness = speed**2 * modes.square + mass**2
        matrix = _propagator(stiffness, damping, self.frame_time)
        from_h, from_v = (to_complex64(column) for column in matrix)

        def frame(states: Tensor, _: int) -> Tensor:
            h, v = modes.spectrum(states).chunk(2, dim=2)
            return modes.fields((from_h * h).addcmul_(from_v, v))

        return frame


def _propagator(stiffness: Tensor, damping: Tensor, time: float) -> tuple[Tensor, Tensor]:
    """Return the two columns of the matrix, which are the contributions of h and of v, [B, 1, 2, H, V] each."""
    frequency = torch.sqrt(torch.complex(stiffness - damping**2, torch.zeros_like(stiffness)))
    cosine = torch.cos(frequency * time).real
    is_slow = frequency.abs() * time < 1e-6
    sine = torch.where(is_slow, time, (torch.sin(frequency * time) / torch.where(is_slow, 1.0, frequency)).real)
    decay = torch.exp(-damping * time)
    from_h = decay * torch.cat([cosine + damping * sine, -stiffness * sine], dim=2)
    from_v = decay * torch.cat([sine, cosine - damping * sine], dim=2)
    return from_h, from_v
