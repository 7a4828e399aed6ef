"""Damped Klein-Gordon wave, h_tt + 2 g h_t = c^2 lap h - m^2 h; channels: displacement h and velocity v = h_t.

Each mode by itself, with O^2 = c^2 |k|^2 + m^2 - g^2:

    (h, v)(t) = e^{-g t} [cos(O t) 1 + sin(O t) / O (A + g 1)] (h, v)(0),   A = ((0, 1), (-c^2 |k|^2 - m^2, -2 g))

- ``speed`` c: at 1 a front crosses the square in 63 frames.
- ``damping`` g: below 0.05 waves ring throughout the run; where g > c |k| and m is small (the telegraph equation) long
  waves no longer swing but spread like heat.
- ``mass`` m: lowest frequency. With m > c |k| everything swings in step, and waves disperse.
"""

import math

import torch
from torch import Tensor

from spinlock.operators.family import Family, Frame
from spinlock.operators.spectral import Modes, single


class Wave(Family):
    """Two channels, independent at the start; linear, and so exact whatever the frame time."""

    name = "wave"
    channels = 2
    parameters = ("speed", "damping", "mass")
    domain = 2 * math.pi
    frame_time = 0.1
    substeps = 1
    order = 0

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Frame:
        """One product with a 2 x 2 matrix for each mode."""
        speed, damping, mass = self.columns(physical)
        modes = Modes.of(grid, self.domain, is_real=True, device=physical.device)
        stiffness = speed**2 * modes.square + mass**2
        matrix = _propagator(stiffness, damping, self.frame_time)
        from_h, from_v = (single(column) for column in matrix)

        def frame(states: Tensor) -> Tensor:
            h, v = modes.spectrum(states).chunk(2, dim=2)
            return modes.fields((from_h * h).addcmul_(from_v, v))

        return frame


def _propagator(stiffness: Tensor, damping: Tensor, time: float) -> tuple[Tensor, Tensor]:
    """The two columns of the matrix, each [B, 1, 2, H, V]: what h and what v become."""
    frequency = torch.sqrt(torch.complex(stiffness - damping**2, torch.zeros_like(stiffness)))
    cosine = torch.cos(frequency * time).real
    slow = frequency.abs() * time < 1e-6
    sine = torch.where(slow, time, (torch.sin(frequency * time) / torch.where(slow, 1.0, frequency)).real)
    decay = torch.exp(-damping * time)
    from_h = decay * torch.cat([cosine + damping * sine, -stiffness * sine], dim=2)
    from_v = decay * torch.cat([sine, cosine - damping * sine], dim=2)
    return from_h, from_v
