"""The number of integrator steps from one frame to the next, which an error estimate determines for each operator.

A frame is repeated with more steps if the estimate exceeds :data:`TOLERANCE`. The estimate also predicts the number of
steps of the next frame. Operators with equal numbers are computed together.

The probe runs of an operator begin at frames of its rollout. Each frame of them begins with the number of steps that
the rollout used for this frame. Therefore the integration errors of both runs are almost equal and cancel in the
difference of the runs.

Letters: ``B`` operators, ``M`` realizations.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import torch
from torch import Tensor

TOLERANCE = 8e-5
"""Maximum estimate of the error of a frame, relative to its norm."""

SAFETY = 0.7
"""Part of the tolerance that the predicted number of steps aims at, so that few frames have to be repeated."""

NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Possible numbers of steps. A frame with the largest one is not repeated."""

MAX_FACTOR = 4
"""Limit of the change of the number of steps at a time. Estimates for very different steps are inaccurate."""


class Solver(Protocol):
    """Computation of one frame of some operators with a given number of steps."""

    def __call__(self, states: Tensor, rows: Sequence[int], num_steps: int) -> tuple[Tensor, Tensor]:
        """Return the states [b, M, ...] of the operators ``rows`` one frame later, and their error estimates [b, M]."""


class AdaptiveStep:
    """Map of states to those one frame later, for a batch of operators.

    Parameters
    ----------
    solver
        The computation with a given number of steps.
    num_operators
        Number of operators, B.
    initial
        Number of steps with which the first frame begins.
    """

    def __init__(self, solver: Solver, num_operators: int, initial: int) -> None:
        self._solver = solver
        self._num_operators = num_operators
        self._initial = initial
        self._predicted: dict[int, list[int]] = {}
        self._used: dict[int, list[int]] = {}

    def __call__(self, states: Tensor, index: int) -> Tensor:
        """Return the states [B, M, ...] one frame later.

        Parameters
        ----------
        states
            States of all operators.
        index
            Number of the frame in the run. The first call with this number determines the number of steps with which
            later calls begin.
        """
        start = self._used.get(index) or self._predicted.get(index) or [self._initial] * self._num_operators
        advanced, used, predicted = self._advance(states, start)
        if index not in self._used:
            self._used[index], self._predicted[index + 1] = used, predicted
        return advanced

    def num_steps(self, index: int) -> list[int]:
        """Return the number of steps of each operator in the first run at frame ``index``, [B]."""
        return list(self._used[index])

    def _advance(self, states: Tensor, start: Sequence[int]) -> tuple[Tensor, list[int], list[int]]:
        """Return the advanced states, the numbers of steps, and those predicted for the next frame."""
        used, predicted = list(start), list(start)
        advanced = torch.empty_like(states)
        pending = list(range(self._num_operators))
        while pending:
            rejected = []
            for num_steps, group in groupby(sorted(pending, key=used.__getitem__), key=used.__getitem__):
                rows = list(group)
                for row, error in zip(rows, self._compute(states, rows, num_steps, advanced), strict=True):
                    predicted[row] = _required_steps(num_steps, error)
                    if not error <= TOLERANCE and num_steps < NUMBERS[-1]:  # NaN is not accepted
                        used[row] = max(predicted[row], next(number for number in NUMBERS if number > num_steps))
                        rejected.append(row)
            pending = rejected
        return advanced, used, predicted

    def _compute(self, states: Tensor, rows: list[int], num_steps: int, advanced: Tensor) -> list[float]:
        """Set ``advanced`` of the operators ``rows``, and return the largest estimate over the realizations of each."""
        if len(rows) == self._num_operators:
            result, errors = self._solver(states, rows, num_steps)
            advanced.copy_(result)
        else:
            padded = rows + rows[-1:] if states.shape[1] == 1 else rows
            result, errors = self._solver(states[padded], padded, num_steps)
            advanced[rows] = result[: len(rows)]
        largest: list[float] = errors.amax(1).tolist()
        return largest[: len(rows)]


def _required_steps(num_steps: int, error: float) -> int:
    """Return the number of steps for which the estimate is expected to be below the tolerance."""
    ratio = (error / (SAFETY * TOLERANCE)) ** (1 / 3) if math.isfinite(error) else 2.0
    wanted = num_steps * min(max(ratio, 1 / MAX_FACTOR), MAX_FACTOR)
    return next((number for number in NUMBERS if number >= wanted), NUMBERS[-1])
