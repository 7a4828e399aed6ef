"""Blocks: the operators that are rolled out together, always as many, so that no arithmetic depends on the rest.

A block takes consecutive operators of one PDE family, or consecutive neural ones of one architecture, whatever their
policy. Tensors of a block have the same shape whether it is full or not: an unfilled one repeats its last operator, and
the copies are thrown away. So a row's bytes do not depend on how many operators there are, on the batch size, on the
process that computed it or on what was computed before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinlock.generation.design import architectures
from spinlock.operators.neural import Architecture
from spinlock.operators.sampling import NEURAL, Operators

SIZE = {"cpu": (16, 4), "cuda": (64, 32)}
"""Operators of a block, PDE and neural: on a CPU what fits its caches, on a GPU what fills it."""


@dataclass(frozen=True)
class Block:
    """``members``: numbers of operators, at most ``size`` of them; ``architecture`` is None for a PDE family."""

    number: int
    members: tuple[int, ...]
    size: int
    family: str
    architecture: Architecture | None = None

    @property
    def padded(self) -> tuple[int, ...]:
        """The members, the last one repeated to the full size."""
        return self.members + self.members[-1:] * (self.size - len(self.members))


def plan_blocks(operators: Operators, device_type: str) -> list[Block]:
    """All blocks, those of all kinds advancing side by side, so that the rate of the first is that of the rest."""
    pde_size, neural_size = SIZE[device_type]
    found: list[tuple[float, str, tuple[int, ...], int, Architecture | None]] = []
    for number, stratum in enumerate(operators.strata):
        if stratum.family != NEURAL:
            members = operators.members(number).tolist()
            found += [(place, stratum.family, part, pde_size, None) for place, part in _parts(members, pde_size)]
    for architecture, members in sorted(_by_architecture(operators).items()):
        found += [(place, NEURAL, part, neural_size, architecture) for place, part in _parts(members, neural_size)]
    found.sort(key=lambda item: (item[0], item[2]))
    return [
        Block(number, members, size, family, architecture)
        for number, (_, family, members, size, architecture) in enumerate(found)
    ]


def _parts(members: list[int], size: int) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Runs of ``size`` members, each with its place among them, 0 to 1."""
    for start in range(0, len(members), size):
        part = members[start : start + size]
        yield (start + len(part) / 2) / len(members), tuple(part)


def _by_architecture(operators: Operators) -> dict[Architecture, list[int]]:
    """The numbers of the neural operators of each architecture, ascending."""
    numbers: dict[Architecture, list[int]] = {}
    for number, stratum in enumerate(operators.strata):
        if stratum.family == NEURAL:
            members = operators.members(number).tolist()
            for member, architecture in zip(members, architectures(operators, number), strict=True):
                numbers.setdefault(architecture, []).append(member)
    return {architecture: sorted(members) for architecture, members in numbers.items()}


def ranks_in(operators: Operators, members: tuple[int, ...]) -> list[tuple[int, int]]:
    """(stratum, rank) of each member."""
    chosen = np.asarray(members)
    return list(zip(operators.stratum[chosen].tolist(), operators.rank[chosen].tolist(), strict=True))
