"""The batches of an epoch: rows in memory, or a table that is read from its file in shuffled extents.

A streamed epoch reads the extents of the file in a new random order. A few of them at a time fill a buffer. The
training rows of the buffer are shuffled and form batches while the next buffer is being read. Every training row occurs
once in an epoch. The content of a batch depends on (seed, epoch, step) and on the length of an extent. That length
follows from the chunks of the file when a run begins, and the run keeps it, so that a resumed run sees the same
batches, also from a copy of the file with other chunks. Each of several processes holds its shard of every batch.

Letters: ``B`` rows of a batch, ``b`` rows of a process's shard, ``n`` training rows, ``A`` augmented copies, ``D``
columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from spinlock.errors import RunError
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.device import to_device
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import prefetch
from spinlock.training.schedule import BatchPlan, StepDraws

BUFFER_BYTES = 2**23
"""Bytes of cleaned rows that are shuffled together. While the next buffer is read, up to three times as much is held.

Where a chunk of the file is larger than an extent, the extent is one chunk, and a buffer holds at least one extent.
"""

EXTENTS_PER_BUFFER = 16
"""Number of extents of the file in a buffer, where the chunks of the file allow it."""

MIN_SHARD_ROWS = 4
"""Fewest rows of a batch that each process needs: every term of the objective uses at least one."""


class Batches(Protocol):
    """The batches of a run."""

    def epoch_batches(self, epoch: int, first_step: int) -> Iterator[Tensor]:
        """This process's shard of each batch of an epoch, from ``first_step`` on."""

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """The rows [b, D] of a batch."""


class InMemoryBatches:
    """Batches of rows in memory; each row may be replaced by a point between it and a near neighbor.

    Parameters
    ----------
    rows
        Training rows [n, D] in normalized units. ``augmented`` [A, n, D] holds them and their interpolated copies.
    plan
        Number and size of the batches.
    seed
        Seed of the order of the rows and of the interpolation.
    group
        The processes that share each batch.
    """

    def __init__(self, rows: Tensor, plan: BatchPlan, seed: int, group: ProcessGroup = SINGLE) -> None:
        self.augmented = interpolate_neighbors(rows, seed)
        self.plan = plan
        self.seed = seed
        self.group = group

    def epoch_batches(self, epoch: int, first_step: int) -> Iterator[Tensor]:
        """Positions [b] of the rows of each batch."""
        order = self.group.shard(self.plan.order(self.seed, epoch), dim=1)
        return iter(to_device(order, self.augmented.device)[first_step:])

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """The rows [b, D] at positions [b], each in one of its augmented copies."""
        positions = self.augmentation(draws) * self.augmented.shape[1] + batch
        return self.augmented.flatten(0, 1).index_select(0, positions)

    def augmentation(self, draws: StepDraws) -> Tensor:
        """The augmented copy [b] that each row of the shard uses."""
        return (self.group.shard(draws.augmentation) * len(self.augmented)).long()


class StreamedBatches:
    """Batches of a table in its file; a batch holds its rows [b, D].

    Parameters
    ----------
    data
        The training data.
    plan
        Number and size of the batches.
    seed
        Seed of the order of extents and rows.
    extent
        Rows of the file that are read at once; see :func:`extent_rows`.
    group
        The processes that share each batch.
    """

    def __init__(
        self, data: TrainingData, plan: BatchPlan, seed: int, extent: int, group: ProcessGroup = SINGLE
    ) -> None:
        self.data = data
        self.plan = plan
        self.seed = seed
        self.group = group
        edges = np.searchsorted(data.split.train, np.arange(0, len(data.table.rows) + extent, extent))
        self.extents = [(start, end) for start, end in pairwise(edges.tolist()) if start < end]
        self.extents_per_buffer = max(1, _buffer_rows(data) // extent)

    def epoch_batches(self, epoch: int, first_step: int) -> Iterator[Tensor]:
        """The rows [b, D] of each batch; the last batch is filled up with the first rows of the epoch."""
        size, missing = self.plan.batch, self.plan.steps * self.plan.batch - self.plan.rows
        held = head = torch.empty(0, len(self.data.cleaner.kept))
        for offset, rows in self._buffers(epoch, first_step * size, with_first=missing > 0):
            if offset == 0:
                head = rows[torch.arange(missing) % len(rows)]
            rows = rows[max(0, first_step * size - offset) :]
            if len(held) and len(held) + len(rows) >= size:
                rest = size - len(held)
                yield self._shard(torch.cat([held, rows[:rest]]))
                held, rows = held[:0], rows[rest:]
            complete = len(rows) // size * size if len(held) == 0 else 0
            for start in range(0, complete, size):
                yield self._shard(rows[start : start + size].clone())  # a view would keep the whole buffer alive
            held = torch.cat([held, rows[complete:]])
            del rows  # free this buffer before the one after the next is read
        if len(held):
            yield self._shard(torch.cat([held, head]))

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """The batch itself."""
        return batch

    def _shard(self, batch: Tensor) -> Tensor:
        return to_device(self.group.shard(batch), self.data.train.device)

    def _buffers(self, epoch: int, skipped: int, *, with_first: bool) -> Iterator[tuple[int, Tensor]]:
        """(number of its first row, shuffled rows) of each buffer.

        Buffers whose rows are all among the first ``skipped`` rows are not read, except the first one if
        ``with_first``.
        """
        rng = np.random.default_rng([self.seed, 3, epoch])
        order = rng.permutation(len(self.extents)).tolist()
        reads, offset = [], 0
        for number, start in enumerate(range(0, len(order), self.extents_per_buffer)):
            extents = [self.extents[index] for index in order[start : start + self.extents_per_buffer]]
            count = sum(end - start for start, end in extents)
            if offset + count > skipped or (with_first and number == 0):
                reads.append((offset, extents, [self.seed, 5, epoch, number]))
            offset += count
        yield from prefetch((offset, self._read(extents, seed)) for offset, extents, seed in reads)

    def _read(self, extents: list[tuple[int, int]], seed: list[int]) -> Tensor:
        """The training rows of some extents of the file, cleaned and shuffled."""
        data = self.data
        rows = torch.empty(sum(end - start for start, end in extents), len(data.cleaner.kept))
        positions = torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)))
        done = 0
        for start, end in extents:
            block = data.cleaner.transform(data.table.rows[data.split.train[start:end]]).values
            rows[positions[done : done + len(block)]] = torch.from_numpy(block)
            done += len(block)
        return rows


def make_batches(
    data: TrainingData, plan: BatchPlan, *, streamed: bool, seed: int, extent: int, group: ProcessGroup = SINGLE
) -> Batches:
    """The batches of a run: from the file of the table if ``streamed``, else from the rows in memory."""
    if streamed:
        return StreamedBatches(data, plan, seed, extent, group)
    return InMemoryBatches(data.train, plan, seed, group)


def check_batch_size(plan: BatchPlan, group: ProcessGroup) -> None:
    """Refuse batches of which a process would hold too few rows.

    Raises
    ------
    RunError
        A batch has fewer than :data:`MIN_SHARD_ROWS` rows for each process.
    """
    if group.world_size > 1 and plan.batch < MIN_SHARD_ROWS * group.world_size:
        raise RunError(
            f"batches of {plan.batch} rows for {group.world_size} processes",
            expected=f"at least {MIN_SHARD_ROWS} rows for each",
            remedy="start fewer processes, or raise --batch-size",
        )


def extent_rows(data: TrainingData) -> int:
    """Rows of the file that are best read at once, in whole chunks; 0 where the table is held in memory."""
    stored = data.table.rows
    return (
        stored.chunk_aligned_rows(max(1, _buffer_rows(data) // EXTENTS_PER_BUFFER))
        if isinstance(stored, StoredRows)
        else 0
    )


def _buffer_rows(data: TrainingData) -> int:
    return max(1, BUFFER_BYTES // (4 * len(data.cleaner.kept)))
