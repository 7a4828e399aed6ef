"""Assembled blocks: effects of the parameters, independence of operators, realizations, probe directions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.config import DatasetConfig
from spinlock.generation.assembly import assemble
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.design import Design, make_design, make_strata
from spinlock.operators.rollout import roll_out
from tests.generation.settings import small_config

CPU = torch.device("cpu")
ALL_FAMILIES = small_config(
    num_samples=60,
    grid_size=32,
    num_steps=16,
    num_realizations=1,
    families=DatasetConfig().families,
    neural_fraction=0.3,
    neural_depths=[2, 5],
    neural_widths=[4, 16],
    neural_kernels=[3, 7],
    initial_wavenumber=[2.0, 5.0],
)
PARAMETERS = [
    (stratum.name, parameter.name) for stratum in make_strata(ALL_FAMILIES) for parameter in stratum.parameters
]


def frames_of(design: Design, config: DatasetConfig, index: int) -> Tensor:
    """The frames of one operator, computed in a block of size 1."""
    operators = design.operators
    family = operators.strata[operators.stratum[index]].family
    block = next(block for block in plan_blocks(operators, "cpu") if index in block.members)
    assembly = assemble(Block(0, (index,), 1, family, block.architecture), design, config, CPU)
    return roll_out(assembly.step, assembly.start, config.num_steps, warmup=config.warmup_steps, bound=1e4).frames[0]


@pytest.mark.parametrize(("stratum", "parameter"), PARAMETERS, ids=[f"{a}-{b}" for a, b in PARAMETERS])
def test_every_parameter_changes_the_frames(stratum: str, parameter: str) -> None:
    design = make_design(ALL_FAMILIES)
    operators = design.operators
    number = [each.name for each in operators.strata].index(stratum)
    column = [each.name for each in operators.strata[number].parameters].index(parameter)
    runs = []
    for value in (0.02, 0.98):
        moved = operators.points[number].copy()
        moved[:] = 0.5
        moved[:, column] = value
        points = (*operators.points[:number], moved, *operators.points[number + 1 :])
        changed = replace(design, operators=replace(operators, points=points))
        runs.append(frames_of(changed, ALL_FAMILIES, int(operators.members(number)[0])))
    low, high = (run.double() for run in runs)
    assert bool(torch.isfinite(low).all() and torch.isfinite(high).all())
    assert float((high - low).norm() / (high.norm() + low.norm())) > 0.02


def test_an_operator_does_not_depend_on_the_others_in_its_block() -> None:
    config = small_config(num_samples=40)
    design = make_design(config)
    for block in plan_blocks(design.operators, "cpu")[:4]:
        assembly = assemble(block, design, config, CPU)
        together = roll_out(assembly.step, assembly.start, 4, warmup=1, bound=1e4).frames
        first = Block(0, block.members[:1], block.size, block.family, block.architecture)
        single = assemble(first, design, config, CPU)
        apart = roll_out(single.step, single.start, 4, warmup=1, bound=1e4).frames
        assert torch.equal(together[0], apart[0])


def test_realizations_differ_in_initial_state_and_noise() -> None:
    config = small_config(num_samples=40, neural_fraction=1.0, families=[], neural_noise=[0.1, 0.1])
    design = make_design(config)
    assembly = assemble(plan_blocks(design.operators, "cpu")[0], design, config, CPU)
    assert not torch.allclose(assembly.start[:, 0], assembly.start[:, 1])
    same = assembly.start[:, :1].expand_as(assembly.start).clone()
    gap = (assembly.step(same, 0)[:, 0] - assembly.step(same, 0)[:, 1]).std((-2, -1))
    np.testing.assert_allclose(gap, 0.1 * np.sqrt(2), rtol=0.25)
    assert torch.equal(assembly.step(same, 0), assembly.step(same, 0))
    assert not torch.equal(assembly.step(same, 0), assembly.step(same, 1))


def test_probe_directions_have_unit_rms_and_zero_mean() -> None:
    config = small_config()
    design = make_design(config)
    assembly = assemble(plan_blocks(design.operators, "cpu")[0], design, config, CPU)
    np.testing.assert_allclose(assembly.directions.square().mean((-2, -1)).sqrt(), 1, rtol=1e-5)
    np.testing.assert_allclose(assembly.directions.mean((-2, -1)), 0, atol=1e-6)
