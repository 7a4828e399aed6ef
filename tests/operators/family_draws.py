"""Parameters in the default ranges and initial states, for the tests of the equations."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from spinlock.config.families import FamilyRanges
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.family import Family
from spinlock.operators.initial import CONDITIONS, InitialDraws, initial_fields
from spinlock.operators.sampling import Parameter

Array = NDArray[np.float64]


def physical_at(family: Family, unit: Sequence[Sequence[float]] | Array) -> Tensor:
    """Map points [B, P] of the unit cube to parameters [B, P] in the default ranges."""
    ranges, points = FamilyRanges(), np.asarray(unit, dtype=np.float64)
    columns = [
        Parameter(name, getattr(ranges, f"{family.name}_{name}")).at(points[:, number])
        for number, name in enumerate(family.parameters)
    ]
    return torch.from_numpy(np.stack(columns, 1))


def corners_and_draws(family: Family, draws: int) -> Tensor:
    """Return all corners of the default ranges, then points of a Sobol sequence."""
    count = len(family.parameters)
    corners = np.array(list(itertools.product([0.0, 1.0], repeat=count)))
    points = qmc.Sobol(count, rng=np.random.default_rng(1)).random_base2(6)[:draws]
    return physical_at(family, np.concatenate([corners, points]))


def middle_parameters(family: Family, operators: int = 1) -> Tensor:
    return physical_at(family, [[0.5] * len(family.parameters)] * operators)


def initial_states(
    family: Family, physical: Tensor, grid: int = 32, runs: int = 1, amplitude: float | None = None
) -> Tensor:
    """Return initial states of all conditions, with amplitudes and wave numbers in their default ranges."""
    count = len(physical)
    rng = np.random.default_rng(5)
    sizes = torch.from_numpy(0.5 * 4 ** rng.random(count)) if amplitude is None else torch.full((count,), amplitude)
    waves = torch.from_numpy(2 * 2.5 ** rng.random(count))
    conditions = [list(CONDITIONS)[number % len(CONDITIONS)] for number in range(count)]
    streams = [stream(3, number, Purpose.INITIAL) for number in range(count)]
    draws = InitialDraws.draw(streams, (runs, family.channels, grid, grid))
    return family.prepare(initial_fields(conditions, sizes, waves, draws), physical)


def with_attributes(family: Family, **attributes: Any) -> Family:
    """Return a family with other class attributes, such as its frame time or its domain."""
    changed: Family = type(family.name, (type(family),), attributes)()
    return changed


def advance(family: Family, physical: Tensor, states: Tensor, frames: int) -> Tensor:
    step = family.stepper(physical, (states.shape[-2], states.shape[-1]))
    for index in range(frames):
        states = step(states, index)
    return states


def grid_coordinates(family: Family, grid: int) -> tuple[Tensor, Tensor]:
    """Return x and y of the grid points in the units of the equation, [H, W] float64."""
    points = torch.arange(grid, dtype=torch.float64) * (family.domain / grid)
    y, x = torch.meshgrid(points, points, indexing="ij")
    return x, y


def states_of(field: Tensor, *more: Tensor) -> Tensor:
    """Stack channels [H, W] to one state [1, 1, C, H, W] float32."""
    return torch.stack([field, *more]).float()[None, None]


def relative_difference(actual: Tensor, expected: Tensor) -> Tensor:
    """Return the relative difference in norm of each operator, [B]; the norm of ``expected`` is at least 1e-6."""
    difference = (actual.double() - expected.double()).flatten(1)
    return difference.norm(dim=1) / expected.double().flatten(1).norm(dim=1).clamp_min(1e-6)
