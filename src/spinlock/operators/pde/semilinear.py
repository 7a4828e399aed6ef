"""Equations u_t = L u + N(u) with L diagonal in Fourier space. A subclass defines L, N and the degree of N."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear, step_function
from spinlock.operators.family import Family, FrameMap
from spinlock.operators.spectral import DealiasedModes, Modes, to_complex64


@dataclass(frozen=True, kw_only=True)
class Semilinear(Family):
    """A family that is solved by a pseudo-spectral method: products are computed on the grid, other terms by modes.

    Spectra contain only the modes that products of degree ``degree`` do not alias. The other modes are removed at the
    start of a frame.
    """

    order = 4
    degree: ClassVar[int]
    """Polynomial degree of N."""

    @abstractmethod
    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return L, [B, 1, C or 1, X, Y], real or complex float64."""

    @abstractmethod
    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return N as a map of spectra [B, M, C, X, Y]."""

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> FrameMap:
        """Return the map from one frame to the next, which consists of ``substeps`` steps."""
        modes = self.modes(grid, physical.device, is_real=True)
        advance = self.spectral_stepper(physical, modes)
        return lambda states: modes.fields(advance(modes.spectrum(states)))

    def modes(self, grid: tuple[int, int], device: torch.device, *, is_real: bool) -> DealiasedModes:
        """Return the dealiased modes of real or complex fields."""
        return DealiasedModes.of(grid, self.domain, degree=self.degree, is_real=is_real, device=device)

    def spectral_stepper(self, physical: Tensor, modes: DealiasedModes) -> FrameMap:
        """Return the map from one frame to the next for spectra [B, M, C, X, Y]."""
        linear = self.linear(physical, modes)
        step = step_function(linear, self.frame_time / self.substeps, self.order, self.nonlinear(physical, modes))

        def advance(spectrum: Tensor) -> Tensor:
            for _ in range(self.substeps):
                spectrum = step(spectrum)
            return spectrum

        return advance


def smooth(fields: Tensor, modes: Modes, decay: Tensor) -> Tensor:
    """Multiply the modes of fields by exp(-``decay``).

    Fourth derivatives damp the short waves of rough initial fields within a fraction of a time step, which the
    integrator could not resolve.

    Parameters
    ----------
    fields
        [B, M, C, H, W].
    modes
        Modes of the grid.
    decay
        Negative log of the factor of each mode, [B, 1, 1, H, V] float64.
    """
    return modes.fields(modes.spectrum(fields) * to_complex64(torch.exp(-decay)))


def reaction(modes: DealiasedModes, rate: Callable[[Tensor], Tensor]) -> Nonlinear:
    """Return N of a reaction; ``rate`` maps fields [B, M, C, H, W] to their rates of change at each grid point."""
    return lambda spectrum: modes.spectrum(rate(modes.fields(spectrum)))
