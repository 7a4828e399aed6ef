"""Complex Ginzburg-Landau equation, A_t = m A + (1 + i a) lap A - (1 + i b) |A|^2 A (Aranson and Kramer 2002).

- ``growth`` m: below 0 fields fade; above it |A| settles near sqrt(m), and phases turn with frequency b m.
- ``dispersion`` a, ``shear`` b: at 0 defects only merge, with other values they become spirals; where 1 + a b < 0 no
  plane wave is stable (Benjamin and Feir 1967), and phases or defects are chaotic.
"""

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import Frame, bounded
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import Modes, single


class ComplexGinzburgLandau(Semilinear):
    """Two channels, the real and the imaginary part of A."""

    name = "complex_ginzburg_landau"
    channels = 2
    parameters = ("growth", "dispersion", "shear")
    domain = 36.0
    frame_time = 0.4
    substeps = 7
    degree = 3

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """The fields, each bounded by 1."""
        return bounded(fields, 1.0)

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Frame:
        """The map of one frame, on A as one complex field."""
        modes = Modes.of(grid, self.domain, is_real=False, device=physical.device)
        advance = self.spectral_stepper(physical, modes)

        def frame(states: Tensor) -> Tensor:
            amplitude = torch.complex(*states.chunk(2, dim=2))
            after = modes.fields(advance(modes.spectrum(amplitude)))
            return torch.cat([after.real, after.imag], dim=2)

        return frame

    def linear(self, physical: Tensor, modes: Modes) -> Tensor:
        """m - (1 + i a) |k|^2."""
        growth, dispersion, _ = self.columns(physical)
        return growth - (1 + 1j * dispersion) * modes.square

    def nonlinear(self, physical: Tensor, modes: Modes) -> Nonlinear:
        """-(1 + i b) |A|^2 A."""
        shear = single(-(1 + 1j * self.columns(physical)[2]))

        def rate(amplitude: Tensor) -> Tensor:
            power = amplitude.real.square() + amplitude.imag.square()
            return shear * amplitude * power

        return reaction(modes, rate)
