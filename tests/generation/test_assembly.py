"""Assembled blocks: every sampled parameter has an effect, and a row depends on its own operator alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.config import DatasetConfig
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.design import operators_of, strata_of
from spinlock.operators.rollout import roll_out
from spinlock.operators.sampling import Operators
from tests.generation.settings import small

CPU = torch.device("cpu")
EVERYTHING = small(
    num_samples=60,
    grid_size=32,
    num_steps=16,
    num_realizations=1,
    families=DatasetConfig().families,
    neural_share=0.3,
    neural_depths=[2, 5],
    neural_widths=[4, 16],
    neural_kernels=[3, 7],
    initial_wavenumber=[2.0, 5.0],
)
PARAMETERS = [(stratum.name, parameter.name) for stratum in strata_of(EVERYTHING) for parameter in stratum.parameters]


def frames_of(operators: Operators, config: DatasetConfig, index: int) -> Tensor:
    """The frames of one operator, computed in a block of its own."""
    family = operators.strata[operators.stratum[index]].family
    block = next(block for block in plan_blocks(operators, "cpu") if index in block.members)
    made = assemble(Block(0, (index,), 1, family, block.architecture), operators, config, CPU)
    return roll_out(made.step, made.start, config.num_steps, warmup=config.warmup_steps, bound=1e4).frames[0]


@pytest.mark.parametrize(("stratum", "parameter"), PARAMETERS, ids=[f"{a}-{b}" for a, b in PARAMETERS])
def test_every_parameter_has_an_effect(stratum: str, parameter: str) -> None:
    operators = operators_of(EVERYTHING)
    number = [each.name for each in operators.strata].index(stratum)
    column = [each.name for each in operators.strata[number].parameters].index(parameter)
    runs = []
    for value in (0.02, 0.98):
        moved = operators.points[number].copy()
        moved[:] = 0.5
        moved[:, column] = value
        points = (*operators.points[:number], moved, *operators.points[number + 1 :])
        runs.append(frames_of(replace(operators, points=points), EVERYTHING, int(operators.members(number)[0])))
    low, high = (run.double() for run in runs)
    assert bool(torch.isfinite(low).all() and torch.isfinite(high).all())
    assert float((high - low).norm() / (high.norm() + low.norm())) > 0.02


def test_a_row_depends_on_its_own_operator_alone() -> None:
    config = small(num_samples=40)
    operators = operators_of(config)
    for block in plan_blocks(operators, "cpu")[:4]:
        made = assemble(block, operators, config, CPU)
        together = roll_out(made.step, made.start, 4, warmup=1, bound=1e4).frames
        first = Block(0, block.members[:1], block.size, block.family, block.architecture)
        alone = assemble(first, operators, config, CPU)
        apart = roll_out(alone.step, alone.start, 4, warmup=1, bound=1e4).frames
        assert torch.equal(together[0], apart[0])


def test_realizations_differ_in_start_and_noise() -> None:
    config = small(num_samples=40, neural_share=1.0, families=[], neural_noise=[0.1, 0.1])
    operators = operators_of(config)
    block = plan_blocks(operators, "cpu")[0]
    made = assemble(block, operators, config, CPU)
    assert not torch.allclose(made.start[:, 0], made.start[:, 1])
    same = made.start[:, :1].expand_as(made.start).clone()
    gap = (made.step(same, 0)[:, 0] - made.step(same, 0)[:, 1]).std((-2, -1))
    np.testing.assert_allclose(gap, 0.1 * np.sqrt(2), rtol=0.25)
    assert torch.equal(made.step(same, 0), made.step(same, 0))
    assert not torch.equal(made.step(same, 0), made.step(same, 1))


def test_directions_are_of_unit_size_and_mean_zero() -> None:
    config = small()
    operators = operators_of(config)
    made = assemble(plan_blocks(operators, "cpu")[0], operators, config, CPU)
    np.testing.assert_allclose(made.directions.square().mean((-2, -1)).sqrt(), 1, rtol=1e-5)
    np.testing.assert_allclose(made.directions.mean((-2, -1)), 0, atol=1e-6)
