"""The number of integrator steps: error control, repetition, prediction, and its independence of other operators."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from spinlock.operators.adaptive import TOLERANCE, AdaptiveStep
from spinlock.operators.pde import FAMILIES
from spinlock.operators.pde.semilinear import Semilinear
from tests.operators.family_draws import advance, corners_and_draws, initial_states, relative_difference

SEMILINEAR = [name for name, family in FAMILIES.items() if isinstance(family, Semilinear)]


class ModelSolver:
    """A solver whose error is (k / n)^3 times the tolerance, with the integer part k of each state [B, M].

    It adds n / 1000 plus the position of the operator times 0.1 to the state, so that the result shows both.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[int, tuple[int, ...]]] = []

    def __call__(self, states: Tensor, rows: Sequence[int], num_substeps: int) -> tuple[Tensor, Tensor]:
        self.calls.append((num_substeps, tuple(rows)))
        position = 0.1 * torch.tensor(rows)[:, None]
        return states + num_substeps / 1000 + position, TOLERANCE * (states.floor() / num_substeps) ** 3


def test_every_operator_takes_the_number_of_substeps_that_its_hardest_realization_needs() -> None:
    solver = ModelSolver()
    step = AdaptiveStep(solver, 4, 4)
    hardness = torch.tensor([[1.0, 2.0], [5.0, 3.0], [40.0, 1.0], [0.0, 0.0]])
    step(hardness, 0)
    solver.calls.clear()
    for index in range(1, 5):
        step(hardness, index)
    settled = {row: number for number, rows in solver.calls[-4:] for row in rows}
    assert settled == {0: 3, 1: 6, 2: 48, 3: 1}  # the prediction aims at less than the tolerance


def test_a_frame_with_too_large_an_error_is_repeated_for_its_operator_only() -> None:
    solver = ModelSolver()
    step = AdaptiveStep(solver, 3, 2)
    advanced = step(torch.tensor([[1.0], [7.0], [2.0]]), 0)
    assert solver.calls[0] == (2, (0, 1, 2))
    assert solver.calls[1:] == [(8, (1, 1))]  # the last operator of a part with one realization is computed twice
    torch.testing.assert_close(advanced, torch.tensor([[1.002], [7.108], [2.202]]))


def test_operators_that_are_repeated_together_keep_their_order() -> None:
    solver = ModelSolver()
    step = AdaptiveStep(solver, 2, 4)
    step(torch.tensor([[7.0], [3.0]]), 0)
    advanced = step(torch.tensor([[14.0], [14.0]]), 1)
    assert solver.calls[-3:] == [(4, (1, 1)), (8, (0, 0)), (16, (0, 1))]
    torch.testing.assert_close(advanced, torch.tensor([[14.016], [14.116]]))


def test_a_later_run_begins_with_the_numbers_of_the_first_run() -> None:
    solver = ModelSolver()
    step = AdaptiveStep(solver, 2, 16)
    for index in range(3):
        step(torch.tensor([[1.0], [10.0]]), index)
    first = list(solver.calls)
    solver.calls.clear()
    for index in range(3):
        step(torch.tensor([[1.0], [10.0]]), index)
    assert solver.calls == first
    solver.calls.clear()
    step(torch.tensor([[0.0], [30.0]]), 0)  # a harder run takes more steps, an easier one takes the same
    step(torch.tensor([[1.0], [10.0]]), 0)
    assert solver.calls == [(16, (0, 1)), (48, (1, 1)), (16, (0, 1))]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_frame_that_is_not_finite_is_repeated_twice(value: float) -> None:
    solver = ModelSolver()
    step = AdaptiveStep(solver, 2, 4)
    step(torch.tensor([[1.0, 1.0], [1.0, value]]), 0)
    assert solver.calls == [(4, (0, 1)), (8, (1,)), (16, (1,))]


@pytest.mark.parametrize("grid", [17, 32])
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("name", SEMILINEAR)
def test_the_bits_of_an_operator_do_not_depend_on_the_others(name: str, runs: int, grid: int) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 8)[-8:]
    states = initial_states(family, physical, grid, runs)
    block = advance(family, physical, states, 4)
    rows = [6, 1, 3, 3]
    assert torch.equal(advance(family, physical[rows], states[rows], 4)[:3], block[rows[:3]])


@pytest.mark.parametrize("name", SEMILINEAR)
def test_errors_of_the_frames_of_a_rollout_are_about_the_tolerance(name: str) -> None:
    family = FAMILIES[name]
    assert isinstance(family, Semilinear)
    physical = corners_and_draws(family, 12)
    states = initial_states(family, physical, 32)
    adaptive, fine = family.stepper(physical, (32, 32)), family.solver(physical, (32, 32))
    errors = []
    for index in range(41):
        advanced = adaptive(states, index)
        if index < 3 or index % 4 == 0:
            expected, _ = fine(states, range(len(physical)), 48)
            errors.append(relative_difference(advanced, expected))
        states = advanced
    assert float(torch.cat(errors).quantile(0.98)) < 1.25 * TOLERANCE
    assert float(torch.cat(errors).max()) < 3 * TOLERANCE


@pytest.mark.parametrize("name", ["burgers", "gray_scott"])
def test_the_bits_of_an_operator_do_not_depend_on_the_others_on_a_large_grid(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 4)[-4:]
    states = initial_states(family, physical, 64, 2)
    block = advance(family, physical, states, 4)
    assert torch.equal(advance(family, physical[[2, 0]], states[[2, 0]], 4), block[[2, 0]])
