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

Result = TypeVar("Result")


def can_fork() -> bool:
    """Return whether worker processes can be forked.

    They cannot on systems other than Linux, whose libraries do not support it, or in a daemonic process.
    """
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


class ForkedPool(ProcessPoolExecutor):
    """Worker processes with one thread of torch each.

    They ignore the signals of an interrupt, which the parent process handles, and end when the parent process ends.

    Parameters
    ----------
    num_workers
        Number of processes.
    initializer
        Called in each process with ``argument`` before the first task. The argument is not copied.
    argument
        Argument of the initializer.
    """

    def __init__(self, num_workers: int, initializer: Callable[[Any], None], argument: object) -> None:
        context = multiprocessing.get_context("fork")
        super().__init__(num_workers, context, initializer=_start, initargs=(initializer, argument))

    def submit(self, function: Callable[..., Result], /, *arguments: Any, **keywords: Any) -> Future[Result]:
        """Submit a task; the first call forks the processes."""
        with warnings.catch_warnings():
            # Python and JAX warn that a forked process can wait forever for a lock that a thread of the parent held.
            # The workers use neither JAX nor the threads of torch, and glibc makes its own locks usable after a fork.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            return super().submit(function, *arguments, **keywords)


def _start(initializer: Callable[[Any], None], argument: object) -> None:
    """Prepare a worker process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    keep_freed_memory()
    initializer(argument)


def _end_with_parent() -> None:
    """End this process when its parent process has ended, even if the parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
