"""The process group of a run: one process alone, or W processes started by ``torchrun`` on one or more machines.

The shard of process r has the rows r, r + W, r + 2 W, ... of each global batch. A quantity of the global batch is
either summed over processes (:meth:`ProcessGroup.all_reduce_sum`) or computed by every process from the rows of all
processes (:meth:`ProcessGroup.all_gather`). Both operations are differentiable. Every process computes the same loss
and its gradient with respect to the rows of its own shard. The sum of the gradients over processes equals the gradient
of a single process with all rows.

Letters: ``W`` processes (world size), ``B`` rows of a global batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from spinlock.errors import RunError

Value = TypeVar("Value")


@dataclass(frozen=True)
class ProcessGroup:
    """The rank of this process, and the collective operations with the other processes.

    Every method is collective except :meth:`shard` and :meth:`shard_size`: all processes have to call it, in the same
    order. With a world size of 1 every method returns its argument without a copy.

    Parameters
    ----------
    rank
        Rank of this process, 0 to ``world_size`` - 1.
    world_size
        Number of processes, W.
    local_rank
        Rank among the processes of this machine.
    local_world_size
        Number of processes on this machine.

    Raises
    ------
    RunError
        Every collective method raises it when another process has ended.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process of rank 0, which prepares the run and writes files."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until all processes have reached this call."""
        self.any(False)

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is true in any process. The reduction uses CPU tensors and does not block a GPU."""
        if self.world_size == 1:
            return flag
        reduced = torch.tensor(int(flag))
        with self._collective():
            distributed.all_reduce(reduced)
        return bool(reduced)

    def all_reduce_min(self, number: int) -> int:
        """Return the minimum of ``number`` over processes."""
        if self.world_size == 1:
            return number
        reduced = torch.tensor(number)
        with self._collective():
            distributed.all_reduce(reduced, distributed.ReduceOp.MIN)
        return int(reduced)

    def shard_size(self, num_rows: int) -> int:
        """Return how many of the first ``num_rows`` rows of a global batch are in the shard of this process."""
        return len(range(self.rank, num_rows, self.world_size))

    def shard(self, rows: Tensor, dim: int = 0) -> Tensor:
        """Return this process's shard of a global batch: every W-th row along ``dim``, beginning with row ``rank``."""
        if self.world_size == 1:
            return rows
        return rows[(slice(None),) * dim + (slice(self.rank, None, self.world_size),)]

    def all_gather(self, rows: Tensor, global_batch: int, dim: int = 0) -> Tensor:
        """Gather the shards of all processes in the order of the global batch.

        Parameters
        ----------
        rows
            Shard of this process along dimension ``dim``.
        global_batch
            Number of rows of all processes, B.
        dim
            Dimension of the rows.

        Returns
        -------
        Tensor
            The B rows. The operation is differentiable with respect to the shard of this process.
        """
        if self.world_size == 1:
            return rows
        gathered: Tensor = _AllGather.apply(rows, self, global_batch, dim)
        return gathered

    def all_reduce_sum(self, value: Tensor) -> Tensor:
        """Return the sum of ``value`` over processes. The gradient is passed on unchanged to each summand."""
        if self.world_size == 1:
            return value
        total: Tensor = _AllReduceSum.apply(value, self)
        return total

    def all_reduce_mean(self, mean: Tensor, local_batch: int, global_batch: int) -> Tensor:
        """Return the mean over the global batch: sum over processes of mean * local_batch / global_batch.

        Parameters
        ----------
        mean
            Mean over the shard of this process.
        local_batch
            Number of rows of the shard.
        global_batch
            Number of rows of all processes, B.

        Returns
        -------
        Tensor
            Mean over all rows; differentiable.
        """
        if self.world_size == 1:
            return mean
        return self.all_reduce_sum(mean * (local_batch / global_batch))

    @torch.no_grad()
    def all_reduce_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors in place by their sums over processes, in one collective operation."""
        if self.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._collective():
            distributed.all_reduce(flat)
        for tensor, total in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    @torch.no_grad()
    def broadcast_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors in place by the tensors of rank 0."""
        if self.world_size > 1:
            with self._collective():
                for tensor in tensors:
                    distributed.broadcast(tensor, 0)

    def broadcast_object(self, value: Value | None) -> Value:
        """Return the object that rank 0 passes. The other processes may pass None."""
        if self.world_size == 1:
            assert value is not None, "rank 0 has to pass a value"
            return value
        objects: list[Any] = [value]
        with self._collective():
            distributed.broadcast_object_list(objects, 0, device=torch.device("cpu"))
        received: Value = objects[0]
        return received

    def gather_objects(self, value: Value) -> list[Value]:
        """Return the objects of all processes in order of rank; return an empty list on every rank except 0."""
        if self.world_size == 1:
            return [value]
        objects: list[Any] | None = [None] * self.world_size if self.is_main else None
        with self._collective():
            distributed.gather_object(value, objects, 0)
        return objects or []

    @contextmanager
    def _collective(self) -> Iterator[None]:
        """Report a failed collective operation as a :class:`RunError`."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RunError(
                f"process {self.rank} stops: another process has ended", remedy="see the message of that process"
            ) from error


SINGLE = ProcessGroup()
"""The group of a process that runs alone."""


class _AllReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, group: ProcessGroup) -> Tensor:
        total = value.detach().clone()
        with group._collective():
            distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: ProcessGroup, global_batch: int, dim: int) -> Tensor:
        ctx.group, ctx.dim = group, dim
        local = rows.detach().movedim(dim, 0)
        max_rows = -(-global_batch // group.world_size)  # all_gather needs equal shapes, so shorter shards are padded
        padded = torch.zeros(max_rows, *local.shape[1:], dtype=local.dtype, device=local.device)
        padded[: len(local)] = local
        shards = [torch.empty_like(padded) for _ in range(group.world_size)]
        with group._collective():
            distributed.all_gather(shards, padded)
        return torch.stack(shards, 1).flatten(0, 1)[:global_batch].movedim(0, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.group.shard(gradient, ctx.dim), None, None, None
