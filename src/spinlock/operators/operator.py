"""The base class of operators: draw an initial state, and roll it out.

The classes of :mod:`spinlock.operators.pde` and :class:`~spinlock.operators.neural.NeuralOperator` are operators with
fixed parameters. Their rollout uses the same step functions as the batched computation of ``spinlock generate``.

Letters: ``B`` initial states, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points.
"""

import difflib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.arguments import checked_integer
from spinlock.errors import DataError, RunError
from spinlock.features.run import MAX_SIZE
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.initial import CONDITIONS, InitialDraws, initial_fields
from spinlock.operators.rollout import Step, roll_out


@dataclass(frozen=True, kw_only=True)
class Operator(ABC):
    """The base class of all operators; a subclass is a dataclass whose fields are the parameters."""

    name: ClassVar[str]
    """Name of the family in configurations and datasets."""
    channels: ClassVar[int]
    """Number of channels of a state, C."""

    def __new__(cls, *arguments: object, **parameters: object) -> Self:
        """Raise an error that lists the valid parameters if a parameter is unknown."""
        names = [field.name for field in fields(cls)]
        unknown = [name for name in parameters if name not in names]
        if unknown:
            close = difflib.get_close_matches(unknown[0], names, n=1)
            raise DataError(
                f"unknown parameter {unknown[0]}",
                where=cls.__name__,
                expected=", ".join(names),
                remedy=f"did you mean {close[0]}?" if close else "",
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Check that every numeric parameter is a finite number."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, str):
                continue
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise DataError(f"{field.name} is {value!r}", where=type(self).__name__, expected="a finite number")

    @abstractmethod
    def step_function(self, grid: tuple[int, int], device: torch.device) -> Step:
        """Return the map of states [1, B, C, H, W] to the states one frame later, on ``grid`` = (H, W)."""

    @abstractmethod
    def to_states(self, random_fields: Tensor) -> Tensor:
        """Map random fields [1, B, C, H, W] with mean zero and order one to states of the operator."""

    def initial(
        self,
        seed: int = 0,
        grid: int = 64,
        *,
        condition: str = "power_law",
        amplitude: float = 1.0,
        wavenumber: float = 3.0,
        count: int | None = None,
        index: int = 0,
    ) -> NDArray[np.float32]:
        """Draw a random initial state.

        Parameters
        ----------
        seed
            Seed of the random numbers.
        grid
            Number of grid points along each side.
        condition
            Kind of the random field, a key of :data:`spinlock.operators.initial.CONDITIONS`.
        amplitude
            Standard deviation of the random field, before it is mapped to states of the operator.
        wavenumber
            Characteristic wave number in cycles per domain, from 1 to ``grid`` / 4.
        count
            Number of states, B; None for a single state.
        index
            Number of the operator in a dataset. If the seed and the parameters are those of the dataset, and ``count``
            is its number of realizations, the states are those of the dataset.

        Returns
        -------
        ndarray of float32
            State [C, grid, grid], or states [B, C, grid, grid] if ``count`` is given.

        Raises
        ------
        DataError
            The condition is unknown, or a number is out of its range.
        """
        where = f"{type(self).__name__}.initial"
        if condition not in CONDITIONS:
            raise DataError(f"condition is {condition!r}", where=where, expected="one of " + ", ".join(CONDITIONS))
        if not (amplitude > 0 and math.isfinite(amplitude)):
            raise DataError(f"amplitude is {amplitude}", where=where, expected="a number above 0")
        if not 1 <= wavenumber <= grid / 4:
            raise DataError(f"wavenumber is {wavenumber}", where=where, expected=f"1 to {grid / 4:g} on this grid")
        if count is not None and count < 1:
            raise DataError(f"count is {count}", where=where, expected="a positive number of states, or None")
        draws = InitialDraws.draw([stream(seed, index, Purpose.INITIAL)], (count or 1, self.channels, grid, grid))
        size, waves = (torch.tensor([value], dtype=torch.float64) for value in (amplitude, wavenumber))
        states: NDArray[np.float32] = self.to_states(initial_fields([condition], size, waves, draws))[0].numpy()
        return states[0] if count is None else states

    @overload
    def rollout(self, u0: Tensor, steps: int = 64) -> Tensor: ...
    @overload
    def rollout(self, u0: NDArray[Any], steps: int = 64) -> NDArray[np.float32]: ...
    def rollout(self, u0: Tensor | NDArray[Any], steps: int = 64) -> Tensor | NDArray[np.float32]:
        """Compute the frames u_0, u_1, ..., u_(steps - 1).

        Parameters
        ----------
        u0
            Initial state [C, H, W], or [H, W] for operators with one channel, or B states [B, C, H, W]; an array or a
            tensor. The computation runs in float32 on the device of the tensor.
        steps
            Number of frames T, including the initial state.

        Returns
        -------
        Tensor or ndarray of float32
            Frames [T, C, H, W], or [B, T, C, H, W] for several initial states; a tensor if ``u0`` is a tensor, else an
            array. The initial states of a PDE take the same numbers of integrator substeps, so that the frames of one
            of them depend on the others within the error of the integrator.

        Raises
        ------
        DataError
            ``u0`` has a wrong shape, a wrong type, or values that are not finite or too large, or ``steps`` is not an
            integer of at least 1.
        RunError
            The solution diverges: |u| exceeds :data:`~spinlock.features.run.MAX_SIZE`.
        """
        steps = checked_integer("steps", steps, minimum=1, where=type(self).__name__)
        states = u0 if isinstance(u0, Tensor) else self._as_array(u0)
        start = self._check_states(states)
        step = self.step_function((start.shape[-2], start.shape[-1]), start.device)
        with torch.no_grad():
            rollout = roll_out(step, start, steps, warmup=0, bound=MAX_SIZE)
        failed = rollout.blow_up[rollout.blow_up > 0]
        if len(failed):
            raise RunError(
                f"the solution diverges: |u| exceeds {MAX_SIZE:g} at step {int(failed.min())}",
                where=type(self).__name__,
                remedy="use a smaller initial state, fewer steps or other parameters",
            )
        frames = rollout.frames[0] if states.ndim == 4 else rollout.frames[0, 0]
        return frames if isinstance(u0, Tensor) else frames.numpy()

    def _as_array(self, u0: Any) -> NDArray[Any]:
        """Return nested lists, or an object that NumPy can convert, as an array."""
        try:
            return np.asarray(u0)
        except (TypeError, ValueError):
            where = type(self).__name__
            raise DataError(
                f"u0 is of type {type(u0).__name__}", where=where, expected="an array or a tensor"
            ) from None

    def _check_states(self, values: Tensor | NDArray[Any]) -> Tensor:
        """Return the initial states as [1, B, C, H, W] float32, after a check."""
        where = type(self).__name__
        shape = tuple(values.shape)
        if len(shape) not in (2, 3, 4) or 0 in shape or (shape[-3] if len(shape) > 2 else 1) != self.channels:
            alternative = "[H, W], " if self.channels == 1 else ""
            raise DataError(
                f"u0 has the shape {list(shape)}",
                where=where,
                expected=f"{alternative}[{self.channels}, H, W], or [B, {self.channels}, H, W] for B initial states",
            )
        is_real = not values.is_complex() if isinstance(values, Tensor) else values.dtype.kind in "fiub"
        if not is_real:
            raise DataError(f"u0 has the type {values.dtype}", where=where, expected="real numbers")
        tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values, np.float32))
        states = tensor.detach().to(torch.float32)
        if not bool(torch.isfinite(states).all()):
            raise DataError("u0 has NaN or infinite values", where=where, expected="finite values")
        if float(states.abs().max()) > MAX_SIZE:
            raise DataError(
                f"u0 has values up to {float(states.abs().max()):.3g}", where=where, expected=f"|u| <= {MAX_SIZE:g}"
            )
        return states.reshape(1, -1, self.channels, *shape[-2:])
