"""Sensitivity of operators with known exponents, gains and responses."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from spinlock.features import sensitivity
from spinlock.features.run import Probes, Run
from tests.features.signals import EPSILONS, SCALES, check_degenerate, check_rows, noise, values

STEPS = 8
SHAPE = (4, 1, 16, 16)
Operator = Callable[[Tensor, int], Tensor]


def run_of(
    operator: Operator, first: Tensor, direction: Tensor, epsilons: tuple[float, float, float] = EPSILONS
) -> Run:
    """The probes of an operator from u0 = ``first`` [R, C, H, W], and a run of one frame."""

    def roll(state: Tensor) -> Tensor:
        states = [state]
        for step in range(STEPS):
            states.append(operator(states[-1], step))
        return torch.stack(states, 1)

    size = first.square().mean((1, 2, 3), keepdim=True).sqrt()
    perturbed = torch.stack([roll(first + epsilon * size * direction) for epsilon in epsilons], 1)
    scaled = torch.stack([roll(scale * first) for scale in SCALES], 1)
    return Run(first[:, None], Probes(roll(first), perturbed, epsilons, scaled, SCALES))


def linear(factor: float) -> Operator:
    return lambda state, step: factor * state.roll(1, -1)


def logistic(state: Tensor, step: int) -> Tensor:
    return 4 * state * (1 - state)


def saturating(state: Tensor, step: int) -> Tensor:
    """In the first step, divide the logarithm of the size of a field by two. Fields of size 1 do not change."""
    size = state.square().mean((1, 2, 3), keepdim=True).sqrt()
    return state / size.sqrt() if step == 0 else state


def rotating(state: Tensor, step: int) -> Tensor:
    """In the first step, rotate fields of twice the size by 60 degrees toward a field orthogonal to FIRST."""
    size = state.square().mean((1, 2, 3), keepdim=True).sqrt()
    rotated = 0.5 * state + math.sqrt(0.75) * size * ACROSS
    return torch.where((step == 0) & (size > 1.5), rotated, state)


def unit(field: Tensor) -> Tensor:
    return field / field.square().mean((1, 2, 3), keepdim=True).sqrt()


FIRST = unit(noise(SHAPE))
ACROSS = unit(noise(SHAPE, 2) - (noise(SHAPE, 2) * FIRST).mean((1, 2, 3), keepdim=True) * FIRST)
DIRECTION = unit(noise(SHAPE, 1))
ONE_POINT = torch.zeros(SHAPE)
ONE_POINT[..., 3, 5] = 16.0
ORBITS = torch.sin(math.pi / 2 * torch.rand((6000, 1, 1, 1), generator=torch.Generator().manual_seed(0))).square()
# The first three of eight steps double the difference, the other five halve it.
UP_AND_DOWN = run_of(lambda state, step: (2.0 if step < 3 else 0.5) * state, FIRST, DIRECTION)

KNOWN: dict[str, tuple[Run, float, float]] = {
    "lyapunov_small": (run_of(logistic, ORBITS, torch.ones_like(ORBITS), (1e-4, 1e-3, 1e-2)), math.log(2), 0.03),
    "lyapunov_medium": (run_of(linear(0.8), FIRST, DIRECTION), math.log(0.8), 1e-4),
    "lyapunov_large": (run_of(linear(1.3), FIRST, DIRECTION), math.log(1.3), 1e-4),
    "transient_growth": (UP_AND_DOWN, math.log(8), 1e-3),
    "contraction": (UP_AND_DOWN, 5 / 8, 1e-6),
    "linear_response_r2": (run_of(linear(0.9), FIRST, DIRECTION), 1.0, 1e-4),
    "localization": (run_of(linear(0.9), FIRST, ONE_POINT), math.log(256), 1e-3),
    "gain_half": (run_of(saturating, FIRST, DIRECTION), math.log(2) / 2, 1e-4),
    "gain_double": (run_of(saturating, FIRST, DIRECTION), -math.log(2) / 2, 1e-4),
    "linearity_r2": (run_of(rotating, FIRST, DIRECTION), (1 + 0.25) / 2, 1e-4),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(sensitivity.FEATURES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert values(sensitivity.compute, sensitivity.FEATURES, run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(sensitivity.compute, len(sensitivity.FEATURES))


def test_rows_are_independent() -> None:
    check_rows(sensitivity.compute)


def test_linear_operators_have_a_proportional_response() -> None:
    result = values(sensitivity.compute, sensitivity.FEATURES, run_of(linear(0.7), FIRST, DIRECTION))
    for name in ("lyapunov_small", "lyapunov_medium", "lyapunov_large"):
        assert result[name] == pytest.approx(math.log(0.7), abs=1e-3)
    assert result["gain_half"] == pytest.approx(0, abs=1e-5)
    assert result["gain_double"] == pytest.approx(0, abs=1e-5)
    assert result["linearity_r2"] == pytest.approx(1, abs=1e-5)
    assert (result["transient_growth"], result["contraction"]) == (0.0, 1.0)
    assert result["localization"] == pytest.approx(math.log(3), abs=0.1)  # a Gaussian field


def test_the_exponent_is_measured_before_the_difference_reaches_rounding_errors() -> None:
    affine = run_of(lambda state, step: FIRST + 0.1 * (state - FIRST), FIRST, DIRECTION)
    result = values(sensitivity.compute, sensitivity.FEATURES, affine)
    for name in ("lyapunov_small", "lyapunov_medium", "lyapunov_large"):
        assert result[name] == pytest.approx(math.log(0.1), abs=0.05)
    assert result["contraction"] == 1.0


def test_an_operator_independent_of_its_input_has_no_response() -> None:
    result = values(sensitivity.compute, sensitivity.FEATURES, run_of(lambda state, step: FIRST, FIRST, DIRECTION))
    assert result["contraction"] == 1.0
    assert result["linear_response_r2"] == result["localization"] == 0.0
    assert result["lyapunov_large"] == pytest.approx(math.log(1e-6 / 0.1), abs=0.01)  # rounding level after one step


def test_the_identity_neither_contracts_nor_grows() -> None:
    result = values(sensitivity.compute, sensitivity.FEATURES, run_of(linear(1.0), FIRST, DIRECTION))
    assert result["contraction"] == 0.0
    assert result["lyapunov_small"] == pytest.approx(0, abs=1e-6)


def test_a_run_without_probes_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the probes"):
        sensitivity.compute(Run(FIRST[:, None]))


def test_other_numbers_of_probes_are_refused() -> None:
    probes = Probes(noise((1, 9, 1, 16, 16)), noise((1, 1, 9, 1, 16, 16)), (0.1,), noise((1, 1, 9, 1, 16, 16)), (2.0,))
    with pytest.raises(ValueError, match="3 epsilons and 2 scales, got 1 and 1"):
        sensitivity.compute(Run(FIRST[:, None], probes))
