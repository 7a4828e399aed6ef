"""Control of the number of integrator substeps from one frame to the next by an error estimate.

A frame is repeated with more substeps if its error estimate exceeds :data:`TOLERANCE`. The estimate also determines the
number of substeps with which the next frame begins. Operators that take the same number are computed together. All
realizations of an operator take the same number, which is that of the realization with the largest estimate.

The probe runs of an operator begin at frames of its rollout. They begin each frame with the number of substeps that the
rollout took for this frame. Therefore the integration errors of a rollout and of a run from a slightly perturbed state
are nearly equal, and most of them cancel in the difference of both runs.

Letters: ``B`` operators, ``M`` realizations, ``b`` operators that are computed together.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

TOLERANCE = 8e-5
"""Tolerance of the error estimate of a frame, relative to the norm of the frame."""

SAFETY = 0.7
"""Fraction of the tolerance at which a new number of substeps aims, so that few frames have to be repeated."""

SUBSTEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Possible numbers of substeps. A frame with the largest one is accepted with any error estimate."""

MAX_FACTOR = 4
"""Maximum factor by which the number of substeps changes at a time; estimates of very different ones are inaccurate."""

ESTIMATE_ORDER = 3
"""The estimate of a frame decreases with this power of the number of substeps."""

MAX_NOT_FINITE = 2
"""Number of repetitions after which a frame with an estimate that is not finite is kept; its run diverges."""


class Solver(Protocol):
    """Computation of one frame with a given number of substeps."""

    def __call__(self, states: Tensor, rows: Sequence[int], num_substeps: int) -> tuple[Tensor, Tensor]:
        """Compute the next frame of some operators.

        Parameters
        ----------
        states
            States of the b operators, [b, M, ...].
        rows
            Positions of these operators in the batch of all operators, [b].
        num_substeps
            Number of substeps.

        Returns
        -------
        states : Tensor
            States one frame later, [b, M, ...].
        errors : Tensor
            Estimate of the error of each state relative to its norm, [b, M].
        """


class AdaptiveStep:
    """Map of states to the states one frame later, for a batch of operators.

    Parameters
    ----------
    solver
        The computation with a given number of substeps.
    num_operators
        Number of operators, B.
    initial
        Number of substeps with which the first frame begins.
    """

    def __init__(self, solver: Solver, num_operators: int, initial: int) -> None:
        self._solver = solver
        self._initial = bytes([initial] * num_operators)
        self._start: dict[int, bytes] = {}  # numbers with which a frame begins, by the index of the frame

    def __call__(self, states: Tensor, index: int) -> Tensor:
        """Return the states [B, M, ...] one frame later.

        The first call for an index stores the accepted number of substeps of each operator. Later calls for this index
        begin with the stored numbers.

        Parameters
        ----------
        states
            States of all operators, [B, M, ...].
        index
            Index of the frame in the run.
        """
        advanced, accepted, predicted = self._advance(states, self._start.get(index, self._initial))
        if index + 1 not in self._start:
            self._start[index], self._start[index + 1] = bytes(accepted), bytes(predicted)
        return advanced

    def num_substeps(self, index: int) -> list[int]:
        """Return the number of substeps of each operator in the first run at the frame ``index``, [B]."""
        return list(self._start[index])

    def _advance(self, states: Tensor, start: Sequence[int]) -> tuple[Tensor, list[int], list[int]]:
        """Return the states one frame later, the accepted numbers, and those with which the next frame begins."""
        current, proposed = list(start), list(start)
        advanced = torch.empty_like(states)
        pending = list(range(len(start)))
        num_repetitions = 0
        while pending:
            rejected = []
            for num_substeps in sorted({current[row] for row in pending}):
                rows = [row for row in pending if current[row] == num_substeps]
                advanced[rows], errors = self._solve(states, rows, num_substeps)
                for row, error in zip(rows, errors, strict=True):
                    proposed[row] = _proposed_substeps(num_substeps, error)
                    if not _is_accepted(error, num_substeps, num_repetitions):
                        rejected.append(row)
            for row in rejected:
                current[row] = max(proposed[row], next(number for number in SUBSTEPS if number > current[row]))
            pending = sorted(rejected)
            num_repetitions += 1
        return advanced, current, proposed

    def _solve(self, states: Tensor, rows: list[int], num_substeps: int) -> tuple[Tensor, list[float]]:
        """Return the next states of the operators ``rows``, [b, M, ...], and the largest estimate of each, [b]."""
        if len(rows) == len(states):
            advanced, errors = self._solver(states, rows, num_substeps)
        else:
            padded = _with_copy(rows) if states.shape[1] == 1 else rows
            advanced, errors = self._solver(states[padded], padded, num_substeps)
        largest: list[float] = errors.amax(1).tolist()
        return advanced[: len(rows)], largest[: len(rows)]


def _with_copy(rows: list[int]) -> list[int]:
    """Repeat the last operator.

    With one realization, products of coefficients and states treat all operators as one long row of numbers. The last
    numbers of the row do not fill a vector of the CPU, so that they can round differently. They belong to the copy.
    """
    return [*rows, rows[-1]]


def _is_accepted(error: float, num_substeps: int, num_repetitions: int) -> bool:
    """Return whether a frame is kept that has been repeated ``num_repetitions`` times."""
    if num_substeps >= SUBSTEPS[-1]:
        return True
    return error <= TOLERANCE if math.isfinite(error) else num_repetitions >= MAX_NOT_FINITE


def _proposed_substeps(num_substeps: int, error: float) -> int:
    """Return the number of substeps at which the estimate is expected to be :data:`SAFETY` times the tolerance.

    It is rounded up to one of :data:`SUBSTEPS`. If the estimate is not finite, the number is doubled.
    """
    ratio = (error / (SAFETY * TOLERANCE)) ** (1 / ESTIMATE_ORDER) if math.isfinite(error) else 2.0
    wanted = num_substeps * min(max(ratio, 1 / MAX_FACTOR), MAX_FACTOR)
    return next((number for number in SUBSTEPS if number >= wanted), SUBSTEPS[-1])
