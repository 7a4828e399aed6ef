"""Blocks: operators that are rolled out together.

A block contains consecutive operators of one PDE family, or consecutive neural operators of one architecture with any
policy. A block that is not full is padded with one copy of its last operator, whose results are discarded. Transforms
and products round equally for every number of operators, except the last values of a tensor, which belong to the copy.
The networks of neural operators are computed one after the other. Therefore the bytes of a row do not depend on the
number of operators, the batch size, the process that computes the row, or earlier computations. The tests check this on
a CPU. On a GPU different numbers of operators can round differently.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from spinlock.generation.design import architectures
from spinlock.operators.network import Architecture
from spinlock.operators.sampling import NEURAL, Operators

BLOCK_SIZES = {"cpu": (32, 4), "cuda": (64, 32)}
"""Maximum number of operators in a block (PDE, neural).

Operators of a block that take the same number of integrator substeps are computed together.
"""


@dataclass(frozen=True)
class Block:
    """One batch of operators.

    Attributes
    ----------
    number
        Position in the list of all blocks.
    members
        Numbers of the operators, at most ``size``.
    size
        Maximum number of operators.
    family
        Name of the PDE family, or ``neural``.
    architecture
        Architecture of neural operators; None for a PDE family.
    """

    number: int
    members: tuple[int, ...]
    size: int
    family: str
    architecture: Architecture | None = None

    @property
    def padded(self) -> tuple[int, ...]:
        """Numbers of the operators, and the last one again if the block is not full."""
        return self.members if len(self.members) == self.size else (*self.members, self.members[-1])


def plan_blocks(operators: Operators, device_type: str) -> list[Block]:
    """Divide all operators into blocks.

    Parameters
    ----------
    operators
        The sampled operators.
    device_type
        ``cpu`` or ``cuda``, which determines the batch size.

    Returns
    -------
    list of Block
        The kinds of operators are interleaved, so that the remaining time can be estimated from the first blocks.
    """
    pde_size, neural_size = BLOCK_SIZES[device_type]
    chunks: list[tuple[float, str, tuple[int, ...], int, Architecture | None]] = []
    for number, stratum in enumerate(operators.strata):
        if stratum.family != NEURAL:
            members = operators.members(number).tolist()
            chunks += [
                (position, stratum.family, chunk, pde_size, None) for position, chunk in _chunks(members, pde_size)
            ]
    for architecture, members in sorted(_members_by_architecture(operators).items()):
        chunks += [
            (position, NEURAL, chunk, neural_size, architecture) for position, chunk in _chunks(members, neural_size)
        ]
    chunks.sort(key=lambda item: (item[0], item[2]))
    return [
        Block(number, members, size, family, architecture)
        for number, (_, family, members, size, architecture) in enumerate(chunks)
    ]


def _chunks(members: list[int], size: int) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Yield chunks of at most ``size`` members, each after the relative position of its center, from 0 to 1."""
    for start in range(0, len(members), size):
        chunk = members[start : start + size]
        yield (start + len(chunk) / 2) / len(members), tuple(chunk)


def _members_by_architecture(operators: Operators) -> dict[Architecture, list[int]]:
    """Return the numbers of the neural operators of each architecture in ascending order."""
    members: dict[Architecture, list[int]] = {}
    for number, stratum in enumerate(operators.strata):
        if stratum.family == NEURAL:
            numbers = operators.members(number).tolist()
            for member, architecture in zip(numbers, architectures(operators, number), strict=True):
                members.setdefault(architecture, []).append(member)
    return {architecture: sorted(numbers) for architecture, numbers in members.items()}
