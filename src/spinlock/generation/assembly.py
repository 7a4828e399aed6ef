"""A block of operators as one batched step function, with initial states and perturbations for the probes.

Coefficients and network weights are computed once per block.

Letters: ``B`` operators of the block, ``M`` realizations, ``C`` channels, ``H`` x ``W`` grid points.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinlock.config.dataset import RolloutSettings
from spinlock.generation.blocks import Block
from spinlock.generation.design import AMPLITUDE, CONDITION, WAVENUMBER, Design
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.initial import InitialDraws, initial_fields
from spinlock.operators.network import CHANNELS, NeuralOperators, Weights
from spinlock.operators.neural import draw_noise, policy_factors
from spinlock.operators.pde import FAMILIES
from spinlock.operators.rollout import Step
from spinlock.operators.sampling import Operators


@dataclass(frozen=True)
class Assembly:
    """The step function and the states of a block.

    Attributes
    ----------
    step
        Step function of all operators of the block.
    start
        Initial states, [B, M, C, H, W].
    directions
        Perturbations for the probes, with root mean square 1, [B, M, C, H, W].
    """

    step: Step
    start: Tensor
    directions: Tensor


def assemble(block: Block, design: Design, rollout: RolloutSettings, device: torch.device) -> Assembly:
    """Draw the random numbers of a block and build its step function.

    Parameters
    ----------
    block
        The operators.
    design
        The sampled operators of the dataset.
    rollout
        Grid size and number of realizations.
    device
        Device of the computation.

    Returns
    -------
    Assembly
    """
    values = _BlockValues(block, design.operators)
    channels = FAMILIES[block.family].channels if block.architecture is None else CHANNELS
    grid = (rollout.grid_size, rollout.grid_size)
    shape = (rollout.num_realizations, channels, *grid)
    conditions = [design.conditions[int(index)] for index in values.column(CONDITION)]
    amplitude, wavenumber = values.column(AMPLITUDE), values.column(WAVENUMBER)
    fields = initial_fields(conditions, amplitude, wavenumber, _draws(block, design, Purpose.INITIAL, shape).to(device))
    directions = initial_fields(
        ["gaussian"] * len(block.padded),
        torch.ones(len(block.padded)),
        wavenumber,
        _draws(block, design, Purpose.PROBE, shape).to(device),
    )
    if block.architecture is None:
        family = FAMILIES[block.family]
        physical = torch.stack([values.column(f"{family.name}.{name}") for name in family.parameters], 1).to(device)
        step = family.stepper(physical, grid)
        return Assembly(step, family.prepare(fields, physical), directions)
    return Assembly(_neural_step(block, values, design, grid, device), fields, directions)


class _BlockValues:
    """The sampled parameters of the operators of a block, including the copies of its last operator."""

    def __init__(self, block: Block, operators: Operators) -> None:
        padded = np.asarray(block.padded)
        self._positions = list(zip(operators.stratum[padded].tolist(), operators.rank[padded].tolist(), strict=True))
        self._operators = operators

    def column(self, name: str) -> Tensor:
        """Return the physical values of a parameter, [B] float64, with NaN for operators without this parameter."""
        values = [self._value(name, stratum, rank) for stratum, rank in self._positions]
        return torch.tensor(values, dtype=torch.float64)

    def policies(self) -> list[str]:
        """Return the update policy of each operator, [B]."""
        return [self._operators.strata[stratum].policy for stratum, _ in self._positions]

    def _value(self, name: str, stratum: int, rank: int) -> float:
        """Return the physical value of a parameter of one operator."""
        for column, parameter in enumerate(self._operators.strata[stratum].parameters):
            if parameter.name == name:
                return float(parameter.at(self._operators.points[stratum][rank, column]))
        return float("nan")


def _draws(block: Block, design: Design, purpose: Purpose, shape: tuple[int, int, int, int]) -> InitialDraws:
    """Return the random numbers of the initial fields or of the probe perturbations; ``shape`` is (M, C, H, W)."""
    numbers = design.stream_numbers(block.padded)
    return InitialDraws.draw([stream(design.run_seed, number, purpose) for number in numbers], shape)


def _neural_step(
    block: Block, values: _BlockValues, design: Design, grid: tuple[int, int], device: torch.device
) -> Step:
    """Return the step function of the neural operators of a block."""
    assert block.architecture is not None
    numbers = design.stream_numbers(block.padded)
    weights = Weights.draw(block.architecture, [stream(design.weight_seed, i, Purpose.WEIGHTS) for i in numbers])
    parameters = zip(
        values.policies(), values.column("neural.step").tolist(), values.column("neural.weight").tolist(), strict=True
    )
    factors = zip(*(policy_factors(*each) for each in parameters), strict=True)
    state_factor, network_factor = (torch.tensor(values) for values in factors)
    network = NeuralOperators(weights, values.column("neural.gain"), state_factor, network_factor, grid, device)
    scale = values.column("neural.noise").to(device, torch.float32).view(-1, 1, 1, 1, 1)

    def step(fields: Tensor, index: int) -> Tensor:
        advanced = network(fields)
        if design.has_noise:
            advanced = advanced + scale * draw_noise(design.run_seed, numbers, index, fields)
        return advanced

    return step
