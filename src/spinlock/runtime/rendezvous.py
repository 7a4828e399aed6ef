"""Start of the process group: read the environment of ``torchrun`` and wait until all processes have joined."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from spinlock.errors import RunError
from spinlock.runtime.process_group import SINGLE, ProcessGroup

COLLECTIVE_TIMEOUT = timedelta(days=30)
"""Timeout of a collective operation. It is long, because the other processes may wait for hours while rank 0 evaluates.
When a process dies, the others fail at once and do not need the timeout."""

JOIN_TIMEOUT = timedelta(minutes=10)
"""Timeout of the start. Only a timeout detects a process that fails before it joins the group."""

POLL_SECONDS = 0.1
"""Seconds between two checks whether all processes have joined."""


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the process group of ``torchrun`` for a ``with`` block; without ``torchrun``, yield :data:`SINGLE`.

    Collective operations use Gloo for CPU tensors and NCCL for CUDA tensors.

    Yields
    ------
    ProcessGroup

    Raises
    ------
    RunError
        The rendezvous failed, or a process has not joined within :data:`JOIN_TIMEOUT`.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield SINGLE
        return
    cuda = torch.cuda.is_available() and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    try:
        store, rank, world_size = next(rendezvous("env://", timeout=JOIN_TIMEOUT))
        _wait_for_all(store, rank, world_size)
        distributed.init_process_group(
            backend, store=store, rank=rank, world_size=world_size, timeout=COLLECTIVE_TIMEOUT
        )
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"cannot join the other processes: {error}",
            expected="to be started by torchrun",
            remedy="unset WORLD_SIZE to run alone",
        ) from error
    try:
        yield ProcessGroup(
            rank,
            world_size,
            int(os.environ.get("LOCAL_RANK", "0")),
            int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )
    finally:
        distributed.destroy_process_group()


def _wait_for_all(store: Any, rank: int, world_size: int) -> None:
    """Register this process in a ``torch.distributed.Store`` and wait for all others; signals interrupt the wait.

    Raises :class:`RunError` when a process has not registered within :data:`JOIN_TIMEOUT`.
    """
    keys = [f"joined/{other}" for other in range(world_size)]
    store.set(keys[rank], "")
    deadline = time.monotonic() + JOIN_TIMEOUT.total_seconds()
    while not store.check(keys):
        if time.monotonic() > deadline:
            absent = [other for other, key in enumerate(keys) if not store.check([key])]
            raise RunError(
                f"process {rank} stops: processes {absent} of {world_size} have not joined",
                remedy="see the messages of those processes",
            )
        time.sleep(POLL_SECONDS)
