"""Single operators: equal to the batched computation, to closed forms, and errors for wrong input."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spinlock import operators
from spinlock.config.families import FamilyRanges
from spinlock.errors import DataError, RunError
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.design import Design, make_design
from spinlock.operators import AdvectionDiffusion, Burgers, KuramotoSivashinsky, NeuralOperator, Operator, Wave
from spinlock.operators.initial import CONDITIONS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.rollout import roll_out
from tests.generation.settings import small_config

CPU = torch.device("cpu")
GRID = 24
SETTINGS = small_config(
    num_samples=44,
    grid_size=GRID,
    families=list(FAMILIES),
    neural_fraction=0.5,
    neural_widths=[4, 6],
    num_realizations=2,
    warmup_steps=0,
    num_steps=6,
)


def sampled_values(design: Design, index: int) -> dict[str, float]:
    """The sampled parameters of one operator by name."""
    row = design.operators.tables()[1][index]
    names = design.operators.parameter_names
    return {name: float(value) for name, value in zip(names, row, strict=True) if not math.isnan(value)}


def single_operator(design: Design, index: int) -> Operator:
    """The operator of a dataset as an object."""
    stratum = design.operators.strata[design.operators.stratum[index]]
    values = sampled_values(design, index)
    parameters: dict[str, Any] = {
        name.partition(".")[2]: value for name, value in values.items() if name.startswith(stratum.family + ".")
    }
    if stratum.family != "neural":
        return type(FAMILIES[stratum.family])(**parameters)
    sizes = {name: int(parameters.pop(name)) for name in ("depth", "width", "kernel")}
    return NeuralOperator(**sizes, **parameters, policy=stratum.policy, seed=design.weight_seed, index=index)


@pytest.mark.parametrize("index", range(SETTINGS.num_samples))
def test_a_single_operator_is_bit_identical_to_the_batched_computation(index: int) -> None:
    design = make_design(SETTINGS)
    block = next(block for block in plan_blocks(design.operators, "cpu") if index in block.members)
    assembly = assemble(Block(0, (index,), 1, block.family, block.architecture), design, SETTINGS, CPU)
    batched = roll_out(assembly.step, assembly.start, 6, warmup=0, bound=1e4).frames[0]

    operator, values = single_operator(design, index), sampled_values(design, index)
    states = operator.initial(
        design.weight_seed,
        GRID,
        condition=str(design.initial_conditions()[index]),
        amplitude=values["initial.amplitude"],
        wavenumber=values["initial.wavenumber"],
        count=2,
        index=index,
    )
    np.testing.assert_array_equal(states, assembly.start[0].numpy())
    np.testing.assert_array_equal(operator.rollout(states, steps=6), batched.numpy())


def plane(operator: Any, grid: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = np.arange(grid) * (operator.domain / grid)
    y, x = np.meshgrid(points, points, indexing="ij")
    return x, y


def test_advection_diffusion_follows_its_closed_form() -> None:
    operator = AdvectionDiffusion(diffusivity=0.03, velocity_x=0.7, velocity_y=-1.1)
    x, y = plane(operator, 32)
    frames = operator.rollout(np.sin(3 * x + 2 * y), steps=21)
    for frame, field in enumerate(frames):
        time = frame * operator.frame_time
        expected = math.exp(-0.03 * 13 * time) * np.sin(3 * (x - 0.7 * time) + 2 * (y + 1.1 * time))
        np.testing.assert_allclose(field[0], expected, atol=2e-5)


def test_wave_follows_its_closed_form() -> None:
    operator = Wave(speed=1.2, mass=2.0)
    x, y = plane(operator, 32)
    frequency = math.sqrt(1.2**2 * 13 + 4)
    frames = operator.rollout(np.stack([np.cos(3 * x - 2 * y), frequency * np.sin(3 * x - 2 * y)]), steps=21)
    for frame, (h, v) in enumerate(frames):
        phase = 3 * x - 2 * y - frequency * frame * operator.frame_time
        np.testing.assert_allclose(h, np.cos(phase), atol=1e-4)
        np.testing.assert_allclose(v, frequency * np.sin(phase), atol=5e-4)


@pytest.mark.parametrize("name", [name for name in operators.__all__ if name != "Operator"])
def test_every_operator_has_a_rollout_with_default_parameters(name: str) -> None:
    operator: Operator = getattr(operators, name)()
    u0 = operator.initial(seed=3, grid=32)
    assert (u0.shape, u0.dtype) == ((operator.channels, 32, 32), np.float32)
    frames = operator.rollout(u0, steps=40)
    assert (frames.shape, frames.dtype) == ((40, operator.channels, 32, 32), np.float32)
    np.testing.assert_array_equal(frames[0], u0)
    assert np.isfinite(frames).all()
    assert float(np.abs(frames[-1] - frames[0]).max()) > 1e-3
    for field in fields(operator):
        assert field.name in (type(operator).__doc__ or "")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_defaults_lie_in_the_default_ranges_of_datasets(name: str) -> None:
    family, ranges = FAMILIES[name], FamilyRanges()
    for parameter in family.parameters:
        limits = getattr(ranges, f"{name}_{parameter}")
        assert limits.low <= getattr(family, parameter) <= limits.high


def test_rollout_returns_an_array_for_an_array_and_a_tensor_for_a_tensor() -> None:
    operator = Burgers(viscosity=0.1)
    states = operator.initial(seed=1, grid=16, count=3)
    frames = operator.rollout(states, steps=4)
    assert frames.shape == (3, 4, 2, 16, 16)
    as_tensor = operator.rollout(torch.from_numpy(states).double(), steps=4)
    assert as_tensor.dtype == torch.float32
    np.testing.assert_array_equal(as_tensor.numpy(), frames)
    np.testing.assert_allclose(operator.rollout(states[1], steps=4), frames[1], atol=1e-6)


def test_the_channel_axis_is_optional_and_fields_can_be_one_dimensional() -> None:
    operator = AdvectionDiffusion()
    u0 = operator.initial(grid=16)
    np.testing.assert_array_equal(operator.rollout(u0[0], steps=3), operator.rollout(u0, steps=3))
    assert operator.rollout(u0[0, :1], steps=3).shape == (3, 1, 1, 16)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_initial_states_depend_on_the_seed(condition: str) -> None:
    operator = AdvectionDiffusion()
    first, again, other = (operator.initial(seed, 32, condition=condition) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert float(first.std()) == pytest.approx(1, abs=1e-4)


def test_noise_differs_between_steps_and_seeds() -> None:
    u0 = np.zeros((1, 16, 16))
    quiet, noisy, other = (
        NeuralOperator(policy="convex", weight=1.0, noise=noise, seed=seed).rollout(u0, steps=3)
        for noise, seed in ((0.0, 0), (0.1, 0), (0.1, 1))
    )
    np.testing.assert_array_equal(quiet, 0)
    steps = np.diff(noisy, axis=0)
    assert float(steps.std()) == pytest.approx(0.1, rel=0.1)
    assert not np.allclose(steps[0], steps[1])
    assert not np.allclose(noisy[1], other[1])


@pytest.mark.parametrize(
    ("u0", "message"),
    [
        (np.zeros((16, 16)), r"Burgers: u0 has the shape \[16, 16\]; expected \[2, H, W\], or \[B, 2, H, W\] for B"),
        (np.zeros((3, 16, 16)), r"u0 has the shape \[3, 16, 16\]"),
        (np.zeros((2, 3, 16, 16)), r"u0 has the shape \[2, 3, 16, 16\]"),
        (np.zeros((2, 0, 16)), r"u0 has the shape \[2, 0, 16\]"),
        (np.zeros((2, 16, 16), dtype=complex), "u0 has the type complex128; expected real numbers"),
        (torch.zeros(2, 16, 16, dtype=torch.complex64), "u0 has the type torch.complex64; expected real numbers"),
        (np.full((2, 16, 16), np.nan), "u0 has NaN or infinite values; expected finite values"),
        (np.full((2, 16, 16), 1e7), r"u0 has values up to 1e\+07; expected \|u\| <= 1e\+06"),
    ],
)
def test_wrong_initial_states_are_refused(u0: NDArray[Any] | torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Burgers().rollout(u0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"viscosty": 1},
            r"Burgers: unknown parameter viscosty; expected viscosity, advection, drag; did you mean viscosity\?",
        ),
        ({"viscosity": math.inf}, "Burgers: viscosity is inf; expected a finite number"),
        ({"viscosity": "small"}, "Burgers: viscosity is 'small'; expected a finite number"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Burgers(**parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"policy": "implicit"}, "policy is 'implicit'; expected one of autoregressive, residual, convex"),
        ({"depth": 1}, "depth is 1; expected 2 or more convolutions"),
        ({"kernel": 4}, "kernel is 4; expected an odd number of grid points"),
        ({"layers": 4}, "NeuralOperator: unknown parameter layers; expected depth"),
    ],
)
def test_wrong_networks_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        NeuralOperator(**parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"condition": "noise"}, "condition is 'noise'; expected one of power_law, gaussian"),
        ({"amplitude": 0}, "amplitude is 0; expected a number above 0"),
        ({"wavenumber": 5, "grid": 16}, "wavenumber is 5; expected 1 to 4 on this grid"),
        ({"count": 0}, "count is 0; expected a positive number"),
    ],
)
def test_wrong_initial_conditions_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Wave().initial(**arguments)


def test_too_few_steps_and_too_small_grids_are_refused() -> None:
    with pytest.raises(DataError, match="steps is 0; expected 1 or more"):
        Wave().rollout(Wave().initial(grid=16), steps=0)
    with pytest.raises(DataError, match="the grid has 4 x 16 points; expected 7 or more"):
        NeuralOperator(kernel=7).rollout(np.zeros((4, 16)))


def test_a_diverging_solution_is_an_error() -> None:
    operator = KuramotoSivashinsky(hyperviscosity=-1.0)
    with pytest.raises(RunError, match=r"KuramotoSivashinsky: the solution diverges: \|u\| exceeds 1e\+06 at step \d+"):
        operator.rollout(AdvectionDiffusion().initial(), steps=64)
