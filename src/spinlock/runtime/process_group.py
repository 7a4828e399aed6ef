"""The processes of one run: alone, or started by ``torchrun`` on one machine or many.

Process r of W holds rows r, r + W, r + 2 W, ... of a batch. A quantity of the whole batch is either summed over
processes (:meth:`ProcessGroup.all_reduce_sum`) or computed by every process from the rows of all processes
(:meth:`ProcessGroup.all_gather`). Both are differentiable. Every process has the same loss, its gradient reaches the
rows that the process holds, and the sum of the gradients over processes is the gradient of one process with all rows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from spinlock.errors import RunError

COLLECTIVE_TIMEOUT = timedelta(days=30)
"""How long the first to finish waits for the last; a process that dies ends the wait at once."""

JOIN_TIMEOUT = timedelta(minutes=10)
"""How long a process that has started waits for the others to start: one that fails before is never heard of."""

POLL_SECONDS = 0.1
"""Seconds from one look at who has joined to the next."""

Shared = TypeVar("Shared")


@dataclass(frozen=True)
class ProcessGroup:
    """This process's ``rank`` of ``count``, and its place among those of this machine.

    Every method but :meth:`shard` and :meth:`shard_size` has to be called by all processes, in the same order.

    Raises:
        RunError: (all of these) another process is gone.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that prepares and writes."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for all the others."""
        self.any(False)

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process; no accelerator has to wait for the answer."""
        if self.world_size == 1:
            return flag
        told = torch.tensor(int(flag))
        with self._together():
            distributed.all_reduce(told)
        return bool(told)

    def all_reduce_min(self, number: int) -> int:
        """The smallest of the numbers of all processes."""
        if self.world_size == 1:
            return number
        told = torch.tensor(number)
        with self._together():
            distributed.all_reduce(told, distributed.ReduceOp.MIN)
        return int(told)

    def shard_size(self, rows: int) -> int:
        """How many of the first ``rows`` rows of a batch this process has."""
        return len(range(self.rank, rows, self.world_size))

    def shard(self, rows: Tensor, dim: int = 0) -> Tensor:
        """This process's rows of all."""
        if self.world_size == 1:
            return rows
        return rows[(slice(None),) * dim + (slice(self.rank, None, self.world_size),)]

    def all_gather(self, rows: Tensor, whole: int, dim: int = 0) -> Tensor:
        """All ``whole`` rows, in their order, of which this process has ``rows``."""
        if self.world_size == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, self, whole, dim)
        return gathered

    def all_reduce_sum(self, value: Tensor) -> Tensor:
        """The sum over processes."""
        if self.world_size == 1:
            return value
        total: Tensor = _Total.apply(value, self)
        return total

    def all_reduce_mean(self, mean: Tensor, part: int, whole: int) -> Tensor:
        """The mean over ``whole`` rows of which this process has ``part``, with this ``mean`` over them."""
        if self.world_size == 1:
            return mean
        return self.all_reduce_sum(mean * (part / whole))

    @torch.no_grad()
    def all_reduce_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over processes: one message for all of them."""
        if self.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._together():
            distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    @torch.no_grad()
    def broadcast_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by those of the first process."""
        if self.world_size > 1:
            with self._together():
                for tensor in tensors:
                    distributed.broadcast(tensor, 0)

    def broadcast_object(self, value: Shared | None) -> Shared:
        """What the first process has; the others may give None."""
        if self.world_size == 1:
            assert value is not None, "the first process has it"
            return value
        told: list[Any] = [value]
        with self._together():
            distributed.broadcast_object_list(told, 0, device=torch.device("cpu"))
        given: Shared = told[0]
        return given

    def gather_objects(self, value: Shared) -> list[Shared]:
        """What each process has, in order, for the first one; the others get nothing."""
        if self.world_size == 1:
            return [value]
        found: list[Any] | None = [None] * self.world_size if self.is_main else None
        with self._together():
            distributed.gather_object(value, found, 0)
        return found or []

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RunError(f"process {self.rank} stops: another one is gone", remedy="see its message") from error


SINGLE = ProcessGroup()


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, group: ProcessGroup) -> Tensor:
        total = value.detach().clone()
        with group._together():
            distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: ProcessGroup, whole: int, dim: int) -> Tensor:
        ctx.group, ctx.dim = group, dim
        own = rows.detach().movedim(dim, 0)
        most = -(-whole // group.world_size)
        padded = torch.zeros(most, *own.shape[1:], dtype=own.dtype, device=own.device)
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(group.world_size)]
        with group._together():
            distributed.all_gather(parts, padded)
        return torch.stack(parts, 1).flatten(0, 1)[:whole].movedim(0, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.group.shard(gradient, ctx.dim), None, None, None


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the group that ``torchrun`` started, if it did: Gloo for the host, NCCL for CUDA devices."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield SINGLE
        return
    cuda = torch.cuda.is_available() and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    try:
        store, rank, count = next(rendezvous("env://", timeout=JOIN_TIMEOUT))
        _wait_for_all(store, rank, count)
        distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=COLLECTIVE_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"cannot join the other processes: {error}",
            expected="to be started by torchrun",
            remedy="unset WORLD_SIZE to run alone",
        ) from error
    try:
        yield ProcessGroup(
            rank,
            count,
            int(os.environ.get("LOCAL_RANK", "0")),
            int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )
    finally:
        distributed.destroy_process_group()


def _wait_for_all(store: Any, rank: int, count: int) -> None:
    """Wait until every process has put its name into a ``torch.distributed.Store``; a signal ends the wait.

    Raises:
        RunError: one of them has not within :data:`JOIN_TIMEOUT`.
    """
    everyone = [f"joined/{each}" for each in range(count)]
    store.set(everyone[rank], "")
    deadline = time.monotonic() + JOIN_TIMEOUT.total_seconds()
    while not store.check(everyone):
        if time.monotonic() > deadline:
            absent = [each for each, name in enumerate(everyone) if not store.check([name])]
            raise RunError(f"process {rank} stops: {absent} of {count} have not joined", remedy="see their messages")
        time.sleep(POLL_SECONDS)
