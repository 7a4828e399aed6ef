"""Parallel work with one thread for each task."""

import threading
from collections.abc import Iterator

import torch

from spinlock.runtime.threads import parallel_map, prefetch, single_threaded

CPU = torch.device("cpu")


def test_parallel_map_keeps_the_order_and_gives_each_task_one_thread() -> None:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = parallel_map(lambda item: (item, torch.get_num_threads()), range(5), CPU)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(num_threads)
    assert result == [(item, 1) for item in range(5)]


def test_parallel_map_runs_several_tasks_at_the_same_time() -> None:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    both_started = threading.Barrier(2, timeout=60)
    try:
        parallel_map(lambda item: both_started.wait(), range(2), CPU)
    finally:
        torch.set_num_threads(num_threads)


def test_the_number_of_threads_is_restored_after_an_error() -> None:
    num_threads = torch.get_num_threads()
    try:
        with single_threaded(CPU):
            assert torch.get_num_threads() == 1
            raise ValueError
    except ValueError:
        assert torch.get_num_threads() == num_threads


def test_prefetch_yields_the_items_and_computes_one_item_ahead() -> None:
    started = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int | None]:
        for number, event in enumerate(started):
            event.set()
            yield None if number == 1 else number

    prefetched = prefetch(items())
    assert next(prefetched) == 0
    assert started[1].wait(60)  # while the caller still uses item 0
    assert list(prefetched) == [None, 2]
