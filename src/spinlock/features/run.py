"""The input of all features: frames and probe runs, and quantities that several groups of features use.

Fields are float32, periodic and finite, with |u| of at most :data:`MAX_SIZE`. A run that diverges repeats its last
valid frame.

Letters: ``R`` runs (operators times realizations), ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points (``H`` = 1
for one-dimensional fields), ``S`` steps, ``E`` perturbations and ``G`` scales of the probes, ``P`` points.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

MAX_SIZE = 1e6
"""Maximum |u| of a run; for larger fields the sums and powers of the features lose precision in float32."""

MIN_GRID = 16
"""Minimum number of grid points along an axis; with fewer, some bands of the spectral group contain no mode."""

POINTS = 4
"""Number of points along each axis of the sub-grid at which time series are taken."""

NEIGHBOR_DISTANCE = 1 / 16
"""Distance between a point and its neighbor in domain lengths; a moving pattern covers it within a few frames."""


@dataclass(frozen=True)
class Probes:
    """Short runs of the same operators with the same noise from states near the first frame u0.

    Parameters
    ----------
    base
        Run from u0, [R, S + 1, C, H, W].
    perturbed
        Runs from u0 + epsilon * rms(u0) * xi, where the field xi has root mean square 1, [R, E, S + 1, C, H, W].
    epsilons
        The relative sizes of the perturbations, [E].
    scaled
        Runs from scale * u0, [R, G, S + 1, C, H, W].
    scales
        The factors, [G].
    """

    base: Tensor
    perturbed: Tensor
    epsilons: tuple[float, ...]
    scaled: Tensor
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """The ``frames`` [R, T, C, H, W] of R runs, and their ``probes`` if the operators were available."""

    frames: Tensor
    probes: Probes | None = None

    @cached_property
    def mean(self) -> Tensor:
        """Spatial mean s(t) of each channel, [R, C, T]."""
        return self.frames.mean(dim=(-2, -1)).transpose(1, 2)

    @cached_property
    def energy(self) -> Tensor:
        """Spatial mean E(t) of u^2 of each channel, [R, C, T]."""
        return self.frames.square().mean(dim=(-2, -1)).transpose(1, 2)

    @cached_property
    def spectrum(self) -> Tensor:
        """Fourier coefficients c of each frame with sum |c|^2 = E over all modes, [R, T, C, H, W / 2 + 1].

        The last axis holds half of the modes; the others are their complex conjugates.
        """
        coefficients: Tensor = torch.fft.rfft2(self.frames, norm="forward")
        return coefficients

    @cached_property
    def points(self) -> Tensor:
        """Time series u(x_p, t) at a fixed sub-grid of 4 x 4 points (1 x 4 if H = 1), row by row, [R, C, T, P]."""
        return self.shifted_points(0, 0)

    def shifted_points(self, down: int, right: int) -> Tensor:
        """Return the time series at the shifted sub-grid, [R, C, T, P].

        Parameters
        ----------
        down, right
            Shift along y and x in units of :data:`NEIGHBOR_DISTANCE`.
        """
        height, width = self.frames.shape[-2:]
        rows, columns = _sub_grid(height, down, self.frames.device), _sub_grid(width, right, self.frames.device)
        return self.frames[..., rows[:, None], columns].flatten(-2).transpose(1, 2)


def _sub_grid(size: int, shift: int, device: torch.device) -> Tensor:
    """Return evenly spaced indices. The first one is at an eighth of the axis, where few symmetric patterns are 0."""
    if size == 1:
        return torch.zeros(1, dtype=torch.long, device=device)
    start = (2 * torch.arange(POINTS, device=device) + 1) * size // (2 * POINTS)
    return (start + shift * max(round(NEIGHBOR_DISTANCE * size), 1)) % size
