"""The batches of an epoch, from rows in memory or from a table that is streamed from its file.

An extent is a range of consecutive rows of the file. A streamed epoch reads the extents in a new random order. Several
extents fill a buffer, whose training rows are shuffled and divided into batches while the next buffer is read. Every
training row occurs once in an epoch, except the few that fill up the last batch. The content of a batch depends only on
(seed, epoch, step) and on the length of an extent. This length is computed from the chunks of the file when a run
starts, and is stored with the run. A resumed run therefore has the same batches, also if a copy of the file has other
chunks. With several processes, each process has its shard of every batch.

Letters: ``B`` rows of a batch, ``b`` rows of a process's shard, ``n`` training rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from spinlock.errors import RunError
from spinlock.initialization.neighbor_interpolation import NEIGHBORS, TARGET_ROWS, interpolate, nearest_rows
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.device import to_device
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import prefetch
from spinlock.training.optimization.schedule import BatchPlan, StepDraws

BUFFER_BYTES = 2**23
"""Bytes of a buffer, in which cleaned rows are shuffled together. Up to three buffers are in memory at once.

A buffer contains at least one extent, and an extent at least one chunk of the file, also if these are larger.
"""

EXTENTS_PER_BUFFER = 16
"""Number of extents in a buffer, if the chunks of the file are small enough."""

MIN_SHARD_ROWS = 4
"""Minimum number of rows in a shard, so that every loss has at least one row in each process."""


class Batches(Protocol):
    """Interface of the batches of a run. ``seed`` is the seed of everything random in them."""

    seed: int

    def epoch_batches(self, epoch: int, first_step: int) -> Iterator[Tensor]:
        """Yield this process's shard of each batch of an epoch, beginning with batch number ``first_step``."""

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """Return the rows [b, D] of a shard from :meth:`epoch_batches`."""


class InMemoryBatches:
    """Batches of rows in memory. Most rows are replaced by a new random point between the row and a near neighbor.

    ``neighbors`` [n, 5] are the nearest rows of each row, or None for a table that is too small or too large.

    Parameters
    ----------
    rows
        Training rows [n, D] in normalized units.
    plan
        Number and size of the batches.
    seed
        Seed of the order of the rows and of the interpolation.
    group
        Processes that share each batch.
    """

    def __init__(self, rows: Tensor, plan: BatchPlan, seed: int, group: ProcessGroup = SINGLE) -> None:
        self.stored = rows
        self.neighbors = nearest_rows(rows) if NEIGHBORS < len(rows) <= TARGET_ROWS else None
        self.plan = plan
        self.seed = seed
        self.group = group

    def epoch_batches(self, epoch: int, first_step: int) -> Iterator[Tensor]:
        """Yield the indices [b] of the rows of each shard."""
        order = self.group.shard(self.plan.order(self.seed, epoch), dim=1)
        return iter(to_device(order, self.stored.device)[first_step:])

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """Return the rows [b, D] of indices [b], most of them interpolated; see :func:`interpolate`."""
        if self.neighbors is None:
            return self.stored.index_select(0, batch)
        return interpolate(self.stored, self.neighbors, batch, self.group.shard(draws.augmentation, dim=1))


class StreamedBatches:
    """Batches of a streamed table. A batch consists of the rows [b, D] themselves.

    Parameters
    ----------
    data
        Training data.
    plan
        Number and size of the batches.
    seed
        Seed of the order of extents and rows.
    extent
        Number of rows of an extent; see :func:`extent_rows`.
    group
        Processes that share each batch.
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
        """Yield the rows [b, D] of each shard. The last batch is filled up with the first rows of the epoch."""
        size, missing = self.plan.batch, self.plan.steps * self.plan.batch - self.plan.rows
        pending = padding = torch.empty(0, len(self.data.cleaner.kept))
        for offset, rows in self._buffers(epoch, first_step * size, with_first=missing > 0):
            if offset == 0:
                padding = rows[torch.arange(missing) % len(rows)]
            rows = rows[max(0, first_step * size - offset) :]
            if len(pending) and len(pending) + len(rows) >= size:
                needed = size - len(pending)
                yield self._shard(torch.cat([pending, rows[:needed]]))
                pending, rows = pending[:0], rows[needed:]
            complete = len(rows) // size * size if len(pending) == 0 else 0
            for start in range(0, complete, size):
                yield self._shard(rows[start : start + size].clone())  # a view would keep the whole buffer alive
            pending = torch.cat([pending, rows[complete:]])
            del rows  # release this buffer before another one is read
        if len(pending):
            yield self._shard(torch.cat([pending, padding]))

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """Return ``batch``, which consists of rows."""
        return batch

    def _shard(self, batch: Tensor) -> Tensor:
        return to_device(self.group.shard(batch), self.data.train.device)

    def _buffers(self, epoch: int, skipped: int, *, with_first: bool) -> Iterator[tuple[int, Tensor]]:
        """Yield the number of the first row and the shuffled rows of each buffer.

        Buffers that contain only rows among the first ``skipped`` rows are not read, except that the first buffer is
        read if ``with_first``.
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
        """Read the training rows of some extents, clean and shuffle them."""
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
    """Create the batches of a run.

    Parameters
    ----------
    data
        Training data.
    plan
        Number and size of the batches.
    streamed
        Whether the rows are read from the file of the table, or are those in memory.
    seed
        Seed of the order of the rows and of the interpolation.
    extent
        Number of rows of an extent of the file; not used for rows in memory.
    group
        Processes that share each batch.

    Returns
    -------
    Batches
    """
    if streamed:
        return StreamedBatches(data, plan, seed, extent, group)
    return InMemoryBatches(data.train, plan, seed, group)


def check_batch_size(plan: BatchPlan, group: ProcessGroup) -> None:
    """Check that the shards of all processes have enough rows.

    Raises
    ------
    RunError
        A batch has fewer than :data:`MIN_SHARD_ROWS` rows per process.
    """
    if group.world_size > 1 and plan.batch < MIN_SHARD_ROWS * group.world_size:
        raise RunError(
            f"batches of {plan.batch} rows for {group.world_size} processes",
            expected=f"at least {MIN_SHARD_ROWS} rows for each process",
            remedy="start fewer processes, or raise --batch-size",
        )


def extent_rows(data: TrainingData) -> int:
    """Return the number of rows of an extent, a multiple of the chunk length; 0 if the table is in memory."""
    stored = data.table.rows
    return (
        stored.chunk_aligned_rows(max(1, _buffer_rows(data) // EXTENTS_PER_BUFFER))
        if isinstance(stored, StoredRows)
        else 0
    )


def _buffer_rows(data: TrainingData) -> int:
    return max(1, BUFFER_BYTES // (4 * len(data.cleaner.kept)))
