"""A pool of forked worker processes for computations on a CPU.

A forked process has the data of its parent without a copy, starts within milliseconds, and needs no guard
``if __name__ == "__main__"`` in the program of the user.
"""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection
from typing import Any, TypeVar

import torch

from spinlock.runtime.memory import keep_freed_memory
from spinlock.runtime.signals import STOP_SIGNALS

Result = TypeVar("Result")

CHECK_SECONDS = 5
"""Interval in which a worker checks whether its parent process has ended."""


def can_fork() -> bool:
    """Return whether worker processes can be forked: on Linux, except in a daemonic process.

    The system libraries of other systems do not support computations in a forked process.
    """
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


class ForkedPool(ProcessPoolExecutor):
    """Worker processes with one thread of torch each.

    They ignore :data:`~spinlock.runtime.signals.STOP_SIGNALS`, which the parent process handles, and end when it ends.

    Parameters
    ----------
    num_workers
        Number of processes.
    initializer
        Called in each process with ``argument`` before the first task. The argument is not copied.
    argument
        Argument of the initializer.

    Raises
    ------
    OSError or NotImplementedError
        The system has no semaphores that processes share.
    """

    def __init__(self, num_workers: int, initializer: Callable[[Any], None], argument: object) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe: tuple[int, ...] = os.pipe()
        try:
            super().__init__(num_workers, context, initializer=_start, initargs=(self._pipe[0], initializer, argument))
        except BaseException:
            self._close_pipe()
            raise

    def submit(self, function: Callable[..., Result], /, *arguments: Any, **keywords: Any) -> Future[Result]:
        """Submit a task; the first call forks the processes."""
        with warnings.catch_warnings():
            # Python and JAX warn that a forked process can wait forever for a lock that a thread of the parent held.
            # The workers use neither JAX nor the threads of torch, and glibc makes its own locks usable after a fork.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            return super().submit(function, *arguments, **keywords)

    def end_workers(self) -> None:
        """End the processes at once, also those of a pool that is broken or whose start was interrupted."""
        if self._pipe:
            os.write(self._pipe[1], b"x")  # no worker reads it, so that all of them see it

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait until the workers have finished their tasks, and end them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self.end_workers()
            self._close_pipe()

    def _close_pipe(self) -> None:
        for descriptor in self._pipe:
            os.close(descriptor)
        self._pipe = ()


def _start(reader: int, initializer: Callable[[Any], None], argument: object) -> None:
    """Prepare a worker process."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(reader,), daemon=True).start()
    torch.set_num_threads(1)
    keep_freed_memory()
    initializer(argument)


def _end_with_parent(reader: int) -> None:
    """End this process when its parent process has ended or has called :meth:`ForkedPool.end_workers`.

    The sentinel of the parent can be held open by its other children, so the number of the parent is checked also.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    while os.getppid() == parent.pid and not connection.wait([parent.sentinel, reader], CHECK_SECONDS):
        pass
    os._exit(1)
