"""Snapshots: a few frames of some operators, which the dataset contains so that other commands can show the fields.

Letters: ``N`` operators, ``S`` operators with snapshots, ``T`` frames, ``F`` frames of a snapshot, ``C`` channels,
``H`` x ``W`` grid points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config.dataset import RolloutSettings
from spinlock.generation.blocks import Block
from spinlock.operators.network import CHANNELS
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import Operators

MAX_FRAMES = 4
"""Maximum number of frames of an operator that are stored, F."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class SnapshotPlan:
    """Which operators and frames are stored. The fields are those of the first realization.

    Attributes
    ----------
    operators
        Numbers of the operators in ascending order, [S].
    steps
        Numbers of the frames, counted from 0, in ascending order, [F].
    """

    operators: NDArray[np.int64]
    steps: NDArray[np.int64]

    @classmethod
    def make(cls, operators: Operators, settings: RolloutSettings) -> SnapshotPlan:
        """Choose the operators and the frames.

        Parameters
        ----------
        operators
            The N sampled operators.
        settings
            Number of operators to store, and number of frames of a rollout.
        """
        return cls(choose_operators(operators, settings.save_fields), choose_steps(settings.num_steps))

    def members(self, block: Block) -> Iterator[tuple[int, int]]:
        """Yield for each stored operator of a block its position in the block and its position in ``operators``."""
        for row, member in enumerate(block.members):
            position = int(np.searchsorted(self.operators, member))
            if position < len(self.operators) and self.operators[position] == member:
                yield row, position

    def select(self, block: Block, frames: Tensor) -> NDArray[np.float32] | None:
        """Return the snapshots [s, F, C, H, W] of a block with frames [B, M, T, C, H, W], or None if it has none."""
        rows = [row for row, _ in self.members(block)]
        if not rows:
            return None
        chosen: NDArray[np.float32] = frames[rows, 0][:, self.steps.tolist()].cpu().numpy()
        return chosen


def snapshot_bytes(operators: Operators, settings: RolloutSettings) -> int:
    """Return the uncompressed size of the snapshots in bytes."""
    num_frames = len(choose_steps(settings.num_steps))
    return 4 * settings.save_fields * num_frames * max_channels(operators) * settings.grid_size**2


def max_channels(operators: Operators) -> int:
    """Return the largest number of channels of an operator."""
    families = {operators.strata[number].family for number in np.unique(operators.stratum).tolist()}
    return max(FAMILIES[name].channels if name in FAMILIES else CHANNELS for name in families)


def choose_operators(operators: Operators, count: int) -> NDArray[np.int64]:
    """Choose operators of all families, spread evenly over the operators of each family and over its policies.

    The families get numbers of operators in proportion to their sizes by Adams's method of apportionment: the next
    operator goes to the family of n operators that has c of them already with the smallest c / n. Thus each family has
    one before any family has two.

    Parameters
    ----------
    operators
        The N sampled operators.
    count
        Number of operators to choose, S, at most N.

    Returns
    -------
    ndarray of int64
        Numbers of the operators in ascending order, [S].
    """
    members: dict[str, list[int]] = {}
    for number, stratum in enumerate(operators.strata):
        members.setdefault(stratum.family, []).extend(operators.members(number).tolist())
    sizes = [len(numbers) for numbers in members.values()]
    family = np.repeat(np.arange(len(sizes)), sizes)
    priority = np.concatenate([np.arange(size) / size for size in sizes if size])
    shares = np.bincount(family[np.argsort(priority, kind="stable")[:count]], minlength=len(sizes))
    chosen = []
    for position, (numbers, share) in enumerate(zip(members.values(), shares.tolist(), strict=True)):
        if share:
            start = (position + 0.5) / len(members)  # different for each family, so that they alternate
            chosen.append(np.array(numbers)[((np.arange(share) + start) * (len(numbers) / share)).astype(np.int64)])
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *chosen]))


def choose_steps(num_steps: int) -> NDArray[np.int64]:
    """Return the numbers of at most :data:`MAX_FRAMES` evenly spaced frames of ``num_steps``, [F], with both ends."""
    return np.linspace(0, num_steps - 1, min(MAX_FRAMES, num_steps)).round().astype(np.int64)
