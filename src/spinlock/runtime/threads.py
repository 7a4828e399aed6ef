"""Parallel tasks on a CPU with one thread for each task, so that results do not depend on the number of cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_END: Any = object()
"""Marks the end of an iterator in :func:`prefetch`, where None may be an item."""


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_one_thread(device: torch.device) -> None:
    """Limit torch to one thread on a CPU, because the rounding of a parallel sum depends on the number of threads."""
    if device.type == "cpu":
        torch.set_num_threads(1)


@contextmanager
def single_threaded(device: torch.device) -> Iterator[None]:
    """Limit torch to one thread on a CPU inside a ``with`` block, and restore the previous number afterward."""
    num_threads = torch.get_num_threads()
    use_one_thread(device)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item], device: torch.device) -> list[Result]:
    """Apply ``function`` to each item, in parallel on a CPU.

    On a CPU there are as many workers as torch has threads, and each worker uses one thread. On another device the
    items are processed sequentially. Gradient mode is thread-local: ``torch.no_grad`` in the calling thread has no
    effect on the workers, so ``function`` has to use it itself.

    Parameters
    ----------
    function
        Function of one item.
    items
        Items, each the argument of one call.
    device
        Device on which ``function`` computes.

    Returns
    -------
    list
        Results in the order of ``items``.
    """
    if device.type != "cpu":
        return [function(item) for item in items]
    workers = min(torch.get_num_threads(), len(items))
    with single_threaded(device):
        if workers < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(workers, initializer=use_one_thread, initargs=(device,)) as pool:
            return list(pool.map(function, items))


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of an iterator; a second thread computes the next item while the caller uses the current one."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, items, _END)
        while (item := future.result()) is not _END:
            future = pool.submit(next, items, _END)
            yield item
