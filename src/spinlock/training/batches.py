"""Where the batches of an epoch come from: rows in memory, or a table that is read from its file in shuffled chunks.

A streamed epoch goes through the stretches of the file in a new random order; a few dozen of them at a time fill a
buffer, whose training rows are mixed and leave it in batches while the next buffer is being read. Every training row
comes once. What a batch holds depends on (seed, epoch, step) and on the length of a stretch, which the chunks of a file
suggest when a run begins and the run keeps, so that it goes on exactly, on a copy with other chunks too. Of several
processes each takes its share of every batch.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from spinlock.config import VQVAEConfig
from spinlock.errors import RunError
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.device import to_device
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import prefetch
from spinlock.training.schedule import BatchPlan, StepDraws

BUFFER_BYTES = 2**23
"""Of cleaned rows that are mixed at once; up to three times as much is held while the next buffer is being read.

Where chunks of the file are larger than a stretch, a stretch is a chunk, and a buffer at least that."""

EXTENTS_PER_BUFFER = 16
"""Of the file in a buffer, where its chunks allow it."""

MIN_ROWS = 4
"""Of a batch in each of several processes: every part of the objective needs one."""


class Batches(Protocol):
    """The batches of a run."""

    def epoch_batches(self, epoch: int, first: int) -> Iterator[Tensor]:
        """This process's share of each batch of an epoch, from step ``first`` on."""

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """Its rows [b, D]."""


class InMemoryBatches:
    """Rows [n, D] in memory and, of few of them, points between them; a batch holds their positions [b]."""

    def __init__(self, rows: Tensor, plan: BatchPlan, seed: int, group: ProcessGroup = SINGLE) -> None:
        self.augmented = interpolate_neighbors(rows, seed)
        self.plan = plan
        self.seed = seed
        self.group = group

    def epoch_batches(self, epoch: int, first: int) -> Iterator[Tensor]:
        """Positions [b] of the rows of each batch."""
        order = self.group.shard(self.plan.order(self.seed, epoch), dim=1)
        return iter(to_device(order, self.augmented.device)[first:])

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """The rows themselves, or points between them and their neighbors."""
        places = self.augmentation(draws) * self.augmented.shape[1] + batch
        return self.augmented.flatten(0, 1).index_select(0, places)

    def augmentation(self, draws: StepDraws) -> Tensor:
        """Which of the versions of rows each row of a batch takes, [b]."""
        return (self.group.shard(draws.augmentation) * len(self.augmented)).long()


class StreamedBatches:
    """The training rows of a table in its file; a batch holds rows [b, D]."""

    def __init__(
        self, data: TrainingData, plan: BatchPlan, seed: int, extent: int, group: ProcessGroup = SINGLE
    ) -> None:
        """``stretch`` in rows of the file."""
        self.data = data
        self.plan = plan
        self.seed = seed
        self.group = group
        edges = np.searchsorted(data.split.train, np.arange(0, len(data.table.rows) + extent, extent))
        self.extents = [(start, end) for start, end in pairwise(edges.tolist()) if start < end]
        self.per_buffer = max(1, _buffer_rows(data) // extent)

    def epoch_batches(self, epoch: int, first: int) -> Iterator[Tensor]:
        """Rows [b, D] of each batch; the last one is filled up with the first rows of the epoch."""
        size, missing = self.plan.batch, self.plan.steps * self.plan.batch - self.plan.rows
        held = head = torch.empty(0, len(self.data.cleaner.kept))
        for offset, rows in self._buffers(epoch, first * size, with_first=missing > 0):
            if offset == 0:
                head = rows[torch.arange(missing) % len(rows)]
            rows = rows[max(0, first * size - offset) :]
            if len(held) and len(held) + len(rows) >= size:
                rest = size - len(held)
                yield self._own(torch.cat([held, rows[:rest]]))
                held, rows = held[:0], rows[rest:]
            whole = len(rows) // size * size if len(held) == 0 else 0
            for start in range(0, whole, size):
                yield self._own(rows[start : start + size].clone())  # a view would keep all of the buffer
            held = torch.cat([held, rows[whole:]])
            del rows  # before the next buffer but one is made
        if len(held):
            yield self._own(torch.cat([held, head]))

    def rows(self, batch: Tensor, draws: StepDraws) -> Tensor:
        """They are the batch."""
        return batch

    def _own(self, batch: Tensor) -> Tensor:
        return to_device(self.group.shard(batch), self.data.train.device)

    def _buffers(self, epoch: int, skipped: int, *, with_first: bool) -> Iterator[tuple[int, Tensor]]:
        """(number of its first row, mixed rows) of each buffer; those of skipped rows only are not read.

        The first one is, if it is asked for.
        """
        rng = np.random.default_rng([self.seed, 3, epoch])
        order = rng.permutation(len(self.extents)).tolist()
        wanted, offset = [], 0
        for number, start in enumerate(range(0, len(order), self.per_buffer)):
            extents = [self.extents[index] for index in order[start : start + self.per_buffer]]
            count = sum(end - start for start, end in extents)
            if offset + count > skipped or (with_first and number == 0):
                wanted.append((offset, extents, [self.seed, 5, epoch, number]))
            offset += count
        yield from prefetch((offset, self._read(extents, seed)) for offset, extents, seed in wanted)

    def _read(self, extents: list[tuple[int, int]], seed: list[int]) -> Tensor:
        """The training rows of some stretches of the file, cleaned and mixed."""
        data = self.data
        rows = torch.empty(sum(end - start for start, end in extents), len(data.cleaner.kept))
        places = torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)))
        done = 0
        for start, end in extents:
            part = data.cleaner.transform(data.table.rows[data.split.train[start:end]]).values
            rows[places[done : done + len(part)]] = torch.from_numpy(part)
            done += len(part)
        return rows


def trim_heap() -> None:
    """Memory that buffers had goes back to the system; glibc would keep it, in pieces that nothing larger fits in."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def batch_plan(data: TrainingData, config: VQVAEConfig) -> BatchPlan:
    """The batches of an epoch."""
    goes_over = data.split.train if _streams(data, config) else data.train
    return BatchPlan.of(len(goes_over), config.batch_size)


def check_shares(plan: BatchPlan, group: ProcessGroup) -> None:
    """Refuse batches of which a process would have too few rows.

    Raises:
        RunError: fewer than :data:`FEWEST_ROWS` for each.
    """
    if group.world_size > 1 and plan.batch < MIN_ROWS * group.world_size:
        raise RunError(
            f"batches of {plan.batch} rows for {group.world_size} processes",
            expected=f"at least {MIN_ROWS} rows for each",
            remedy="start fewer processes, or raise --batch-size",
        )


def extent_rows(data: TrainingData) -> int:
    """Rows of the file that are best read at once: whole chunks; 0 where the table is held."""
    stored = data.table.rows
    return stored.band(max(1, _buffer_rows(data) // EXTENTS_PER_BUFFER)) if isinstance(stored, StoredRows) else 0


def _buffer_rows(data: TrainingData) -> int:
    return max(1, BUFFER_BYTES // (4 * len(data.cleaner.kept)))


def make_batches(
    data: TrainingData, plan: BatchPlan, config: VQVAEConfig, extent: int, group: ProcessGroup = SINGLE
) -> Batches:
    """Where the batches of a run come from; ``stretch`` is what :func:`stretch_rows` was when it began."""
    if _streams(data, config):
        return StreamedBatches(data, plan, config.random_seed, extent, group)
    return InMemoryBatches(data.train, plan, config.random_seed, group)


def _streams(data: TrainingData, config: VQVAEConfig) -> bool:
    """Whether epochs go over all rows of a table in its file; joint codes learn from those that are held of it."""
    return data.streamed and config.assignment == "local"
