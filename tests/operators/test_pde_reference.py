"""One frame of every family against independent solutions, over the default ranges, early and late in a run."""

import numpy as np
import pytest
import torch

from spinlock.operators.pde import FAMILIES
from tests.operators.family_draws import advance, corners_and_draws, initial_states, relative_difference
from tests.operators.method_of_lines import solve

pytest.importorskip("exponax")
from tests.operators.exponax_steppers import NAMES, exponax, exponax_state, jax, stepper_of

GRID, ODD_GRID = 32, 31
DEVELOPED = (0, 3, 40)
"""Numbers of frames after which the next frame is compared."""
FINE_STEPS = 64
"""Number of steps of exponax in one frame."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frame_equals_the_solution_of_the_method_of_lines(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 4)
    state, frames = initial_states(family, physical, GRID), 0
    for start in DEVELOPED:
        state, frames = advance(family, physical, state, start - frames), start
        result = advance(family, physical, state, 1)
        expected = torch.from_numpy(
            solve(name, state[:, 0].double().numpy(), physical.numpy(), family.domain, family.frame_time)
        )[:, None]
        assert float(relative_difference(result, expected).max()) < 1e-4
        change = (expected - state).flatten(1).norm(dim=1)
        size = expected.flatten(1).norm(dim=1)
        changing = (change > 0.01 * size) & (size > 1e-3)
        relative_error = (result - expected).flatten(1).norm(dim=1)[changing] / change[changing]
        assert float(relative_error.max() if changing.any() else 0.0) < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_equals_that_of_exponax(name: str) -> None:
    family = FAMILIES[name]
    physical = corners_and_draws(family, 1)[[1, -2, -1]]
    if name == "wave":
        physical[:, 1:] = 0  # exponax has neither damping nor mass
    state = advance(family, physical, initial_states(family, physical, ODD_GRID), 2)
    start = exponax_state(name, state, physical)[:, 0].double().numpy().swapaxes(2, 3)  # the first axis of exponax is x
    ends = []
    with jax.enable_x64(True):
        for fields, parameters in zip(start, physical.tolist(), strict=True):
            stepper = stepper_of(name, tuple(parameters), ODD_GRID, FINE_STEPS)
            ends.append(np.array(jax.jit(exponax.repeat(stepper, FINE_STEPS))(jax.numpy.asarray(fields))))
    expected = torch.from_numpy(np.stack(ends).swapaxes(2, 3).copy())[:, None]
    result = exponax_state(name, advance(family, physical, state, 1), physical)
    assert float(relative_difference(result, expected).max()) < 1e-4
