"""Equations u_t = L u + N(u) with L diagonal in Fourier space. A subclass defines L, N and the degree of N."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spinlock.operators.adaptive import AdaptiveStep
from spinlock.operators.etd import Nonlinear, integrate, step_weights
from spinlock.operators.family import Family
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
    error_ratio: ClassVar[float]
    """Largest ratio of the error of a frame to its estimate, as measured in the default ranges. The estimate is the
    error of a method of lower order, which exceeds that of the method in most cases."""
    is_real: ClassVar[bool] = True
    """Whether the fields of the spectra are real."""

    @abstractmethod
    def linear(self, physical: Tensor, modes: DealiasedModes) -> Tensor:
        """Return L, [B, 1, C or 1, X, Y], real or complex float64."""

    @abstractmethod
    def nonlinear(self, physical: Tensor, modes: DealiasedModes) -> Nonlinear:
        """Return N as a map of spectra [B, M, C, X, Y]."""

    def to_spectrum(self, states: Tensor, modes: DealiasedModes) -> Tensor:
        """Transform states [B, M, C, H, W] to spectra; complex families override this method."""
        return modes.spectrum(states)

    def to_fields(self, spectrum: Tensor, modes: DealiasedModes) -> Tensor:
        """Transform spectra to states [B, M, C, H, W]; complex families override this method."""
        return modes.fields(spectrum)

    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> AdaptiveStep:
        """Return the map from one frame to the next, with as many steps as the error estimate requires."""
        return AdaptiveStep(self.solver(physical, grid), len(physical), self.substeps)

    def solver(self, physical: Tensor, grid: tuple[int, int]) -> "FrameSolver":
        """Return the map from one frame to the next for a given number of steps.

        Parameters
        ----------
        physical
            Parameters of the operators, [B, P] float64.
        grid
            Numbers of grid points, (H, W).
        """
        modes = DealiasedModes.of(grid, self.domain, degree=self.degree, is_real=self.is_real, device=physical.device)
        return FrameSolver(self, physical, modes)


class FrameSolver:
    """Computation of one frame of some operators of a batch with a given number of steps.

    The coefficients of each number of steps are kept until it is used for other operators.
    """

    def __init__(self, family: Semilinear, physical: Tensor, modes: DealiasedModes) -> None:
        self._family = family
        self._physical = physical
        self._modes = modes
        self._linear = family.linear(physical, modes)
        self._weights: dict[tuple[int, int], Tensor] = {}
        self._prepared: dict[int, tuple[tuple[int, ...], Tensor, Nonlinear]] = {}

    def __call__(self, states: Tensor, rows: Sequence[int], num_steps: int) -> tuple[Tensor, Tensor]:
        """Return the states [b, M, C, H, W] one frame later, and the error estimates [b, M]."""
        weights, nonlinear = self._coefficients(tuple(rows), num_steps)
        spectrum = self._family.to_spectrum(states, self._modes)
        spectrum, errors = integrate(weights, nonlinear, spectrum, num_steps)
        return self._family.to_fields(spectrum, self._modes), self._family.error_ratio * errors

    def _coefficients(self, rows: tuple[int, ...], num_steps: int) -> tuple[Tensor, Nonlinear]:
        """Return the weights [b, 6, C or 1, X, Y] and N of the operators ``rows``."""
        prepared_rows, weights, nonlinear = self._prepared.get(num_steps, ((), self._linear, None))
        if nonlinear is None or prepared_rows != rows:
            missing = [row for row in rows if (num_steps, row) not in self._weights]
            if missing:
                computed = step_weights(self._linear[missing], self._family.frame_time / num_steps)
                self._weights.update(((num_steps, row), values) for row, values in zip(missing, computed, strict=True))
            weights = torch.stack([self._weights[num_steps, row] for row in rows])
            nonlinear = self._family.nonlinear(self._physical[list(rows)], self._modes)
            self._prepared[num_steps] = rows, weights, nonlinear
        return weights, nonlinear


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
