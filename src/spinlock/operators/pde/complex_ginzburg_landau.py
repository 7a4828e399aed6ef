"""Complex Ginzburg-Landau equation, A_t = m A + (1 + i a) lap A - (1 + i b) |A|^2 A (Aranson and Kramer 2002)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.operators.etd import Nonlinear
from spinlock.operators.family import soft_clip
from spinlock.operators.pde.semilinear import Semilinear, reaction
from spinlock.operators.spectral import DealiasedModes, to_complex64


@dataclass(frozen=True, kw_only=True)
class ComplexGinzburgLandau(Semilinear):
    """Complex Ginzburg-Landau equation, A_t = m A + (1 + i a) lap A - (1 + i b) |A|^2 A, on the square of side 36.

    The two channels are the real and the imaginary part of A.

    Parameters
    ----------
    growth
        Growth rate m. For m < 0 fields decay. For m > 0 |A| approaches sqrt(m), and the phase rotates with the
        frequency b m.
    dispersion
        Linear dispersion a. If a = b = 0, defects only annihilate; otherwise they emit spiral waves.
    shear
        Nonlinear dispersion b. If 1 + a b < 0, no plane wave is stable (Benjamin and Feir 1967), and the solutions are
        chaotic.
    """

    name = "complex_ginzburg_landau"
    channels = 2
    domain = 36.0
    frame_time = 0.4
    substeps = 7
    degree = 3
    error_ratio = 0.25
    is_real = False

    growth: float = 1.0
    dispersion: float = 0.0
    shear: float = 1.0

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Limit the absolute values of the real and the imaginary part to 1."""
        return soft_clip(random_fields, 1.0)

    def to_spectrum(self, states: Tensor, modes: DealiasedModes) -> Tensor:
        """Return the amplitudes of the complex field A."""
        return modes.spectrum(torch.complex(*states.chunk(2, dim=2)))

    def to_fields(self, spectrum: Tensor, modes: DealiasedModes) -> Tensor:
        """Return the real and the imaginary part of A."""
        amplitude = modes.fields(spectrum)
        return torch.cat([amplitude.real, amplitude.imag], dim=2)

    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return m - (1 + i a) |k|^2."""
        growth, dispersion, _ = self.columns(physical)
        return growth - (1 + 1j * dispersion) * modes.square

    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return -(1 + i b) |A|^2 A."""
        shear = to_complex64(-(1 + 1j * self.columns(physical)[2]))

        def rate(amplitude: Tensor) -> Tensor:
            power = amplitude.real.square() + amplitude.imag.square()
            return shear * amplitude * power

        return reaction(modes, rate)
