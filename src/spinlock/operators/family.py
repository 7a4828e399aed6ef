"""A family of PDE operators: one equation with a few physical parameters on the periodic square [0, L)^2.

An instance has one value of each parameter; it is an :class:`~spinlock.operators.operator.Operator`. The methods
:meth:`Family.stepper` and :meth:`Family.prepare` instead get the parameters of a batch of operators as an argument.

All realizations or initial states of an operator take the same number of integrator substeps in a frame. Therefore the
result of one of them can depend on the others, within the tolerance of the error estimate.

Letters: ``B`` operators, ``M`` realizations, ``C`` channels, ``H`` x ``W`` grid points, ``P`` physical parameters.
"""

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from spinlock.operators.operator import Operator
from spinlock.operators.rollout import Step


@dataclass(frozen=True, kw_only=True)
class Family(Operator):
    """The base class of all PDE families; a subclass defines the equation and its initial states."""

    domain: ClassVar[float]
    """Side length L of the periodic square, in the units of the equation."""
    frame_time: ClassVar[float]
    """Time between two stored frames."""
    substeps: ClassVar[int]
    """Number of integrator substeps with which the first frame begins; 1 if the step is exact."""
    order: ClassVar[int]
    """Order of the integrator in time, or 0 if the step is exact."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the physical parameters, in the order of the columns of ``physical``, [P]."""
        return tuple(field.name for field in fields(self))

    def prepare(self, random_fields: Tensor, physical: Tensor) -> Tensor:
        """Map random fields to states in the range of the family.

        Parameters
        ----------
        random_fields
            Fields with mean zero and order one, [B, M, C, H, W].
        physical
            Parameters of the operators, [B, P] float64.

        Returns
        -------
        Tensor
            Initial states [B, M, C, H, W]; the fields themselves, unless a family overrides this method.
        """
        return random_fields

    @abstractmethod
    def stepper(self, physical: Tensor, grid: tuple[int, int]) -> Step:
        """Return the map from one frame to the next for a batch of operators.

        Parameters
        ----------
        physical
            Parameters of the operators, [B, P] float64. The coefficients are computed in float64 on the same device.
        grid
            Numbers of grid points, (H, W).

        Returns
        -------
        callable
            Map of states [B, M, C, H, W] float32 and the number of the frame to the states one frame later.
        """

    def columns(self, physical: Tensor) -> tuple[Tensor, ...]:
        """Return each parameter as a float64 tensor [B, 1, 1, 1, 1], which broadcasts against states.

        Raises
        ------
        ValueError
            ``physical`` does not have the shape [B, P].
        """
        if physical.shape[1:] != (len(self.parameters),):
            raise ValueError(f"{self.name}: physical is {tuple(physical.shape)}, not [B, {len(self.parameters)}]")
        return tuple(column.double().view(-1, 1, 1, 1, 1) for column in physical.unbind(1))

    def step_function(self, grid: tuple[int, int], device: torch.device) -> Step:
        """Return the step function of this operator."""
        return self.stepper(self._physical().to(device), grid)

    def to_states(self, random_fields: Tensor) -> Tensor:
        """Map random fields to states of this operator."""
        return self.prepare(random_fields, self._physical())

    def _physical(self) -> Tensor:
        """Return the parameters of this operator, [1, P] float64."""
        return torch.tensor([[float(getattr(self, name)) for name in self.parameters]], dtype=torch.float64)


def soft_clip(fields: Tensor, limit: float) -> Tensor:
    """Return limit * tanh(fields / limit), which limits |u| to ``limit`` and leaves small values almost unchanged."""
    return limit * torch.tanh(fields / limit)
