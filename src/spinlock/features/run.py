"""What features are computed from: the frames of runs, short probing runs beside them, and what several groups share.

Letters: ``R`` runs (operators times realizations), ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points (``H`` = 1
for one-dimensional fields), ``S`` steps of a probe. Fields are float32, periodic, finite and at most
:data:`LARGEST` in size; a run that blew up holds its last good frame.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

LARGEST = 1e6
"""No |u| is above this: whoever makes runs stops them earlier."""

POINTS = 4
"""Points along each side of the sub-grid on which a field is watched in time."""

BESIDE = 1 / 16
"""Of the domain: how far a point is from the one beside it. What moves gets that far within a few frames."""


@dataclass(frozen=True)
class Probes:
    """Short runs of the same operators from near the first frame, with the same noise.

    ``base`` [R, S + 1, C, H, W] starts at the run's first frame u0. ``perturbed`` [R, E, S + 1, C, H, W] starts at
    u0 + epsilon * rms(u0) * xi, with xi a field of unit root mean square; ``scaled`` [R, G, S + 1, C, H, W] at
    scale * u0. ``epsilons`` (E) and ``scales`` (G) say which.
    """

    base: Tensor
    perturbed: Tensor
    epsilons: tuple[float, ...]
    scaled: Tensor
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """``frames`` [R, T, C, H, W] and, where the operator itself was at hand, ``probes``."""

    frames: Tensor
    probes: Probes | None = None

    @cached_property
    def mean(self) -> Tensor:
        """s(t), the spatial mean of each channel, [R, C, T]."""
        return self.frames.mean(dim=(-2, -1)).transpose(1, 2)

    @cached_property
    def energy(self) -> Tensor:
        """E(t), the spatial mean of u^2 of each channel, [R, C, T]."""
        return self.frames.square().mean(dim=(-2, -1)).transpose(1, 2)

    @cached_property
    def spectrum(self) -> Tensor:
        """Fourier coefficients of each frame, scaled so that |c|^2 summed over all modes is E, [R, T, C, H, W / 2 + 1].

        Half of the modes along the last axis: the others are their conjugates.
        """
        coefficients: Tensor = torch.fft.rfft2(self.frames, norm="forward")
        return coefficients

    @cached_property
    def points(self) -> Tensor:
        """u(x_p, t) on a fixed sub-grid of 4 x 4 points (1 x 4 where H = 1), row by row, [R, C, T, P]."""
        return self.points_beside(0, 0)

    def points_beside(self, down: int, right: int) -> Tensor:
        """The same at the points that many times :data:`BESIDE` of the domain further, [R, C, T, P]."""
        height, width = self.frames.shape[-2:]
        rows, columns = _sub_grid(height, down, self.frames.device), _sub_grid(width, right, self.frames.device)
        return self.frames[..., rows[:, None], columns].flatten(-2).transpose(1, 2)


def _sub_grid(size: int, further: int, device: torch.device) -> Tensor:
    """Evenly spaced indices, from an eighth of the axis on: few symmetric patterns have a node there."""
    if size == 1:
        return torch.zeros(1, dtype=torch.long, device=device)
    start = (2 * torch.arange(POINTS, device=device) + 1) * size // (2 * POINTS)
    return (start + further * max(round(BESIDE * size), 1)) % size
