"""A family of operators: one equation, a few physical parameters, states on the periodic square [0, L)^2.

Letters: ``B`` operators, ``M`` realizations, ``C`` channels, ``H`` x ``W`` grid points, ``P`` physical parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

Frame = Callable[[Tensor], Tensor]
"""States [B, M, C, H, W] float32 to those one frame later."""


class Family(ABC):
    """What all families say of themselves, and the two things they do: begin a run, and advance it."""

    name: str
    channels: int
    parameters: tuple[str, ...]
    """Names of the physical parameters, in the order of the columns of ``physical``."""
    domain: float
    """Side length L of the periodic square, in the equation's own units."""
    frame_time: float
    """Time between two stored frames."""
    substeps: int
    """Steps of the integrator in one frame."""
    order: int
    """Order of the integrator in time; 0 where the step is exact."""

    def initial(self, fields: Tensor, physical: Tensor) -> Tensor:
        """Random fields of zero mean and order one, [B, M, C, H, W], to states in the family's own range.

        As they are, unless a family says otherwise.
        """
        return fields

    @abstractmethod
    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Frame:
        """The map of one frame, for B operators with ``physical`` [B, P] float64 on ``grid`` = (H, W).

        Coefficients are computed here, in float64, and lie where ``physical`` lies.
        """

    def columns(self, physical: Tensor) -> tuple[Tensor, ...]:
        """One tensor [B, 1, 1, 1, 1] for each parameter, to go with states."""
        if physical.shape[1:] != (len(self.parameters),):
            raise ValueError(f"{self.name}: physical is {tuple(physical.shape)}, not [B, {len(self.parameters)}]")
        return tuple(column.double().view(-1, 1, 1, 1, 1) for column in physical.unbind(1))


def bounded(fields: Tensor, bound: float) -> Tensor:
    """Fields that stay below ``bound`` and, where they are small beside it, as they are."""
    return bound * torch.tanh(fields / bound)
