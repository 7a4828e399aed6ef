"""Computation of several blocks at the same time, by the threads of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import torch

from spinlock.config.dataset import RolloutSettings
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import BlockResult, compute_block
from spinlock.generation.design import Design
from spinlock.generation.snapshots import SnapshotPlan
from spinlock.runtime.threads import single_threaded, use_one_thread

Results = Iterator[tuple[Block, BlockResult]]


class Stopped(KeyboardInterrupt):
    """Raised in the worker threads to end them when the run is interrupted."""


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
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def compute(block: Block) -> BlockResult:
        with _separate_stream(device):
            return compute_block(block, design, settings, snapshots, device, check)

    with (
        single_threaded(device),
        ThreadPoolExecutor(workers, initializer=use_one_thread, initargs=(device,)) as pool,
    ):
        try:
            yield _completed(pool, compute, blocks, workers + 1)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _completed(
    pool: ThreadPoolExecutor, compute: Callable[[Block], BlockResult], blocks: Sequence[Block], max_pending: int
) -> Results:
    """Yield results in the order of completion; at most ``max_pending`` blocks are submitted at the same time."""
    remaining = iter(blocks)
    pending: dict[Future[BlockResult], Block] = {}
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


@contextmanager
def _separate_stream(device: torch.device) -> Iterator[None]:
    """Use a separate CUDA stream in a ``with`` block, so that the blocks of different threads overlap."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.device(device), torch.cuda.stream(stream):
        yield
