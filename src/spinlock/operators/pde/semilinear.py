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

MAX_WEIGHT_BYTES = 2**27
"""Maximum size in bytes of the weights that a :class:`FrameSolver` keeps. Beyond it they are computed again."""


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
    """Factor of the error estimate. It is the largest ratio of error and estimate that was found in the default ranges.
    It is below 1 for most families, because the estimate is the error of a method of lower order."""
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
        """Return the map from one frame to the next, with as many substeps as the error estimate requires."""
        return AdaptiveStep(self.solver(physical, grid), len(physical), self.substeps)

    def solver(self, physical: Tensor, grid: tuple[int, int]) -> "FrameSolver":
        """Return the map from one frame to the next for a given number of substeps.

        Parameters
        ----------
        physical
            Parameters of the operators, [B, P] float64.
        grid
            Numbers of grid points, (H, W).
        """
        modes = DealiasedModes.of(grid, self.domain, degree=self.degree, is_real=self.is_real, device=physical.device)
        return FrameSolver(self, physical, modes)


@dataclass(frozen=True)
class _Coefficients:
    """Coefficients of the operators ``rows``: the weights of a step, [b, 6, C or 1, X, Y], and N."""

    rows: tuple[int, ...]
    weights: Tensor
    nonlinear: Nonlinear


class FrameSolver:
    """A :class:`~spinlock.operators.adaptive.Solver` for a family.

    The weights of each operator are kept, and the coefficients of the last operators with each number of substeps.

    Parameters
    ----------
    family
        The equation.
    physical
        Parameters of all operators of the batch, [B, P] float64.
    modes
        The modes of the spectra.
    """

    def __init__(self, family: Semilinear, physical: Tensor, modes: DealiasedModes) -> None:
        self._family = family
        self._physical = physical
        self._modes = modes
        self._linear = family.linear(physical, modes)
        self._weights: dict[tuple[int, int], Tensor] = {}  # by number of substeps and operator
        self._coefficients: dict[int, _Coefficients] = {}  # by number of substeps

    def __call__(self, states: Tensor, rows: Sequence[int], num_substeps: int) -> tuple[Tensor, Tensor]:
        """Return the states [b, M, C, H, W] of the operators ``rows`` one frame later, and error estimates [b, M]."""
        chosen = self._coefficients.get(num_substeps)
        if chosen is None or chosen.rows != tuple(rows):
            nonlinear = self._family.nonlinear(self._physical[list(rows)], self._modes)
            chosen = _Coefficients(tuple(rows), self._weights_of(rows, num_substeps), nonlinear)
            self._coefficients[num_substeps] = chosen
        spectrum = self._family.to_spectrum(states, self._modes)
        spectrum, errors = integrate(chosen.weights, chosen.nonlinear, spectrum, num_substeps)
        return self._family.to_fields(spectrum, self._modes), self._family.error_ratio * errors

    def _weights_of(self, rows: Sequence[int], num_substeps: int) -> Tensor:
        """Return the weights of a substep of some operators, [b, 6, C or 1, X, Y]."""
        if sum(weights.nbytes for weights in self._weights.values()) > MAX_WEIGHT_BYTES:
            self._weights.clear()
            self._coefficients.clear()
        missing = [row for row in dict.fromkeys(rows) if (num_substeps, row) not in self._weights]
        if missing:
            computed = step_weights(self._linear[missing], self._family.frame_time / num_substeps)
            self._weights.update({(num_substeps, row): weights for row, weights in zip(missing, computed, strict=True)})
        return torch.stack([self._weights[num_substeps, row] for row in rows])


def smooth(fields: Tensor, modes: Modes, decay: Tensor) -> Tensor:
    """Multiply the modes of fields by exp(-``decay``).

    Fourth derivatives damp the short waves of rough initial fields within a fraction of a frame. The integrator would
    need many substeps for this fast decay.

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
