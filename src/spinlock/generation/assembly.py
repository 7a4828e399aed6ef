"""The operators of a block as one function of fields and step: coefficients or weights are made once, then stepped.

Letters: ``B`` operators of the block, ``M`` realizations, ``C`` channels, ``H`` x ``W`` points.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinlock.config.dataset import DatasetConfig
from spinlock.generation.blocks import Block, ranks_in
from spinlock.generation.design import AMPLITUDE, CONDITION, WAVENUMBER
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.initial import InitialDraws, initial_fields
from spinlock.operators.neural import CHANNELS, NeuralOperators, Weights, mixing
from spinlock.operators.pde import FAMILIES
from spinlock.operators.rollout import Step
from spinlock.operators.sampling import Operators


@dataclass(frozen=True)
class Assembled:
    """A block's ``step``, its ``start`` [B, M, C, H, W], and unit ``directions`` of the same shape for the probes."""

    step: Step
    start: Tensor
    directions: Tensor


def assemble(block: Block, operators: Operators, config: DatasetConfig, device: torch.device) -> Assembled:
    """Everything of a block that is drawn, on the device."""
    values = _Values(block, operators)
    channels = FAMILIES[block.family].channels if block.architecture is None else CHANNELS
    shape = (config.num_realizations, channels, config.grid_size, config.grid_size)
    amplitude, wavenumber = values.of(AMPLITUDE), values.of(WAVENUMBER)
    kinds = [config.initial_conditions[int(number)] for number in values.of(CONDITION)]
    fields = initial_fields(kinds, amplitude, wavenumber, _draws(block, config, Purpose.INITIAL, shape).to(device))
    directions = initial_fields(
        ["gaussian"] * block.size,
        torch.ones(block.size),
        wavenumber,
        _draws(block, config, Purpose.PROBE, shape).to(device),
    )
    if block.architecture is None:
        family = FAMILIES[block.family]
        physical = torch.stack([values.of(f"{family.name}.{name}") for name in family.parameters], 1).to(device)
        advance = family.stepper(physical, (config.grid_size, config.grid_size))
        return Assembled(lambda state, _: advance(state), family.initial(fields, physical), directions)
    return Assembled(_neural_step(block, values, config, device), fields, directions)


class _Values:
    """The sampled values of a block's operators, the copies that fill it up included."""

    def __init__(self, block: Block, operators: Operators) -> None:
        self._places = ranks_in(operators, block.padded)
        self._operators = operators

    def of(self, name: str) -> Tensor:
        """Physical values [B] of a parameter, float64; NaN for operators that have none of that name."""
        return torch.tensor([self._value(name, stratum, rank) for stratum, rank in self._places], dtype=torch.float64)

    def policies(self) -> list[str]:
        return [self._operators.strata[stratum].policy for stratum, _ in self._places]

    def _value(self, name: str, stratum: int, rank: int) -> float:
        for column, parameter in enumerate(self._operators.strata[stratum].parameters):
            if parameter.name == name:
                return float(parameter.at(self._operators.points[stratum][rank, column]))
        return float("nan")


def _draws(block: Block, config: DatasetConfig, purpose: Purpose, shape: tuple[int, int, int, int]) -> InitialDraws:
    return InitialDraws.of([stream(config.random_seed, index, purpose) for index in block.padded], shape)


def _neural_step(
    block: Block, values: _Values, config: DatasetConfig, device: torch.device
) -> Callable[[Tensor, int], Tensor]:
    assert block.architecture is not None
    weights = Weights.of(
        block.architecture, [stream(config.random_seed, index, Purpose.WEIGHTS) for index in block.padded]
    )
    mixed = [
        mixing(policy, step, weight)
        for policy, step, weight in zip(
            values.policies(), values.of("neural.step").tolist(), values.of("neural.weight").tolist(), strict=True
        )
    ]
    keep, take = (torch.tensor(column) for column in zip(*mixed, strict=True))
    network = NeuralOperators(weights, values.of("neural.gain"), keep, take, device)
    size = values.of("neural.noise").to(device, torch.float32).view(-1, 1, 1, 1, 1)
    noisy = config.neural_noise.high > 0

    def step(fields: Tensor, index: int) -> Tensor:
        after = network(fields)
        if noisy:
            drawn = np.stack(
                [
                    stream(config.random_seed, member, Purpose.NOISE, index).standard_normal(
                        fields.shape[1:], dtype=np.float32
                    )
                    for member in block.padded
                ]
            )
            after = after + size * torch.from_numpy(drawn).to(device)
        return after

    return step
