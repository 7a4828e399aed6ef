"""Computation of several blocks at the same time, by worker processes on a CPU and by threads on a GPU.

On a CPU, threads of one process would slow each other down. Each of the many short operations of a block needs the lock
of the Python interpreter for a moment, and when one thread returns memory to the system, the others are interrupted.
The results of both kinds of workers are equal.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch

from spinlock.config.dataset import RolloutSettings
from spinlock.errors import RunError
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import BlockResult, compute_block
from spinlock.generation.design import Design
from spinlock.generation.snapshots import SnapshotPlan
from spinlock.runtime.threads import single_threaded, use_one_thread
from spinlock.runtime.worker_processes import ForkedPool, can_fork

Results = Iterator[tuple[Block, BlockResult]]


class Stopped(KeyboardInterrupt):
    """Raised in the workers to end them when the run is interrupted."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class _BlockComputation:
    """The computation of any block, with the arguments of :func:`computed_blocks`.

    ``stop`` is one byte in memory that threads and forked processes share. It is 1 if the run is interrupted.
    """

    design: Design
    settings: RolloutSettings
    snapshots: SnapshotPlan
    device: torch.device
    stop: mmap.mmap

    def __call__(self, block: Block) -> BlockResult:
        with _separate_stream(self.device):
            return compute_block(block, self.design, self.settings, self.snapshots, self.device, self._check)

    def _check(self) -> None:
        if self.stop[0]:
            raise Stopped


class _WorkerProcess:
    """State of a worker process."""

    computation: _BlockComputation


@contextmanager
def computed_blocks(
    blocks: Sequence[Block],
    design: Design,
    settings: RolloutSettings,
    snapshots: SnapshotPlan,
    device: torch.device,
    workers: int,
) -> Iterator[Results]:
    """Compute blocks in a ``with`` block, which receives the results in the order of their completion.

    After an error or an interrupt inside of the ``with`` block, the blocks that are being computed are stopped.

    Parameters
    ----------
    blocks
        The blocks to compute.
    design, settings, snapshots, device
        As for :func:`~spinlock.generation.compute_block.compute_block`.
    workers
        Number of blocks that are computed at the same time.

    Raises
    ------
    RunError
        A worker process ended unexpectedly.
    """
    with single_threaded(device), mmap.mmap(-1, 1) as stop:
        pool, compute = _start_workers(_BlockComputation(design, settings, snapshots, device, stop), workers)
        try:
            yield _completed(pool, compute, blocks, workers + 1)
        finally:
            stop[0] = 1
            pool.shutdown(wait=True, cancel_futures=True)


def _start_workers(computation: _BlockComputation, workers: int) -> tuple[Executor, Callable[[Block], BlockResult]]:
    """Return a pool of workers and the function that they call."""
    if computation.device.type == "cpu" and can_fork():
        with suppress(OSError, NotImplementedError, ImportError):  # a system without semaphores
            return ForkedPool(workers, _set_computation, computation), _compute_in_process
    return ThreadPoolExecutor(workers, initializer=use_one_thread, initargs=(computation.device,)), computation


def _set_computation(computation: _BlockComputation) -> None:
    """Store the computation of a worker process, so that it is not sent with each block."""
    _WorkerProcess.computation = computation


def _compute_in_process(block: Block) -> BlockResult:
    """Compute one block in a worker process."""
    return _WorkerProcess.computation(block)


def _completed(
    pool: Executor, compute: Callable[[Block], BlockResult], blocks: Sequence[Block], max_pending: int
) -> Results:
    """Yield results in the order of completion; at most ``max_pending`` blocks are submitted at the same time."""
    remaining = iter(blocks)
    pending: dict[Future[BlockResult], Block] = {}
    try:
        while True:
            for block in remaining:
                pending[pool.submit(compute, block)] = block
                if len(pending) >= max_pending:
                    break
            if not pending:
                return
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                yield pending.pop(future), future.result()
    except BrokenProcessPool as error:
        assert isinstance(pool, ForkedPool)
        pool.end_workers()
        raise RunError(
            "a worker process ended unexpectedly, possibly because the memory was exhausted",
            remedy="lower batch_size, grid_size or num_steps",
        ) from error


@contextmanager
def _separate_stream(device: torch.device) -> Iterator[None]:
    """Use a separate CUDA stream in a ``with`` block, so that the blocks of different threads overlap."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.device(device), torch.cuda.stream(stream):
        yield
