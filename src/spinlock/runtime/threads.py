"""Work side by side on the cores of a CPU, one thread for each piece: results do not depend on the number of cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_one_thread(device: torch.device) -> None:
    """On a CPU a piece of work has one thread, so that its bytes do not depend on the number of cores."""
    if device.type == "cpu":
        torch.set_num_threads(1)


@contextmanager
def single_threaded(device: torch.device) -> Iterator[None]:
    """Let this thread compute pieces as the workers do; the caller's number of threads comes back afterward."""
    before = torch.get_num_threads()
    use_one_thread(device)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parallel_map(function: Callable[[Part], Result], parts: Sequence[Part], device: torch.device) -> list[Result]:
    """``function`` of each part, in order; on a CPU as many at once as torch has threads, each with one.

    Gradients are a matter of the thread: the function itself has to say that it needs none.
    """
    if device.type != "cpu":
        return [function(part) for part in parts]
    workers = min(torch.get_num_threads(), len(parts))
    with single_threaded(device):
        if workers < 2:
            return [function(part) for part in parts]
        with ThreadPoolExecutor(workers, initializer=use_one_thread, initargs=(device,)) as pool:
            return list(pool.map(function, parts))


def prefetch(items: Iterator[Part]) -> Iterator[Part]:
    """The same items; the next one is being made, in another thread, while one is used."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = maker.submit(next, items, _END)
            yield item


_END: Any = object()
