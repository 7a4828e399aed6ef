"""Equations u_t = L u + N(u) with L diagonal in Fourier space: what a family adds is L, N and N's degree."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear, step_function
from spinlock.operators.family import Family, Frame
from spinlock.operators.spectral import Modes, single


class Semilinear(Family):
    """A pseudo-spectral family: products are taken on the grid, everything else on the spectrum.

    Only the modes that a product of the given degree leaves free of aliasing take part; others are cut off at the
    beginning of a frame, since nothing would hold them in check.
    """

    order = 4
    degree: int
    """Polynomial degree of N."""

    @abstractmethod
    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """L [B, 1, C or 1, H, V], real or complex float64."""

    @abstractmethod
    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """N from spectra [B, M, C, H, V] to spectra."""

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Frame:
        """The map of one frame, in ``substeps`` steps."""
        modes = Modes.of(grid, self.domain, is_real=True, device=physical.device)
        advance = self.spectral_stepper(physical, modes)
        return lambda states: modes.fields(advance(modes.spectrum(states)))

    def spectral_stepper(self, physical: Tensor, modes: Modes) -> Frame:
        """The same on spectra [B, M, C, H, V]."""
        kept = modes.kept(self.degree)
        linear = self.linear(physical, modes)
        step = step_function(linear, kept, self.frame_time / self.substeps, self.order, self.nonlinear(physical, modes))
        passed = single(kept)

        def advance(spectrum: Tensor) -> Tensor:
            spectrum = spectrum * passed
            for _ in range(self.substeps):
                spectrum = step(spectrum)
            return spectrum

        return advance


def smoothed(fields: Tensor, modes: Modes, decay: Tensor) -> Tensor:
    """Fields [B, M, C, H, W] whose modes have faded by exp(-``decay``), decay [B, 1, 1, H, V] float64.

    Under fourth derivatives the short waves of rough fields are gone within a part of a step, in which what they feed
    would be caught badly.
    """
    return modes.fields(modes.spectrum(fields) * single(torch.exp(-decay)))


def reaction(modes: Modes, rate: Callable[[Tensor], Tensor]) -> Nonlinear:
    """N that acts at each point by itself: ``rate`` maps fields [B, M, C, H, W] to their rates of change."""
    return lambda spectrum: modes.spectrum(rate(modes.fields(spectrum)))
