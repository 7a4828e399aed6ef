"""Forked worker processes: one thread, and their end in every case."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from spinlock.runtime.signals import STOP_SIGNALS
from spinlock.runtime.worker_processes import ForkedPool, can_fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker processes are forked on Linux only")


@pytest.fixture
def two_threads() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(num_threads)


def nothing(argument: object) -> None:
    """The initializer of a pool without data."""


def ignored_signals(numbers: tuple[int, ...]) -> list[bool]:
    return [signal.getsignal(number) is signal.SIG_IGN for number in numbers]


@pytest.mark.usefixtures("two_threads")
def test_a_worker_uses_one_thread_and_ignores_interrupts() -> None:
    with ForkedPool(1, nothing, None) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
        assert pool.submit(ignored_signals, STOP_SIGNALS).result() == [True] * len(STOP_SIGNALS)


def test_workers_whose_start_was_interrupted_end(monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("fork")
    started: list[Any] = []
    original = context.Process.start

    def start(process: Any) -> None:
        if len(started) == 2:
            raise KeyboardInterrupt
        original(process)
        started.append(process)

    monkeypatch.setattr(context.Process, "start", start)
    pool = ForkedPool(3, nothing, None)
    with pytest.raises(KeyboardInterrupt):
        pool.submit(os.getpid)
    pool.shutdown()
    for process in started:
        process.join(20)
        assert process.exitcode == 1


def test_a_daemonic_process_cannot_fork() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(can_fork()), daemon=True)
    process.start()
    assert queue.get() is False
    process.join()
    assert can_fork()
