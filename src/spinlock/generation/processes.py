"""The processes of one run: alone, or started by ``torchrun`` on one machine or many.

They share the blocks out by rank and meet twice: before the first block, and when the last one is done. What they
compute goes through files, so the output has to lie on a file system that all of them see.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from torch import distributed

from spinlock.errors import RunError

PATIENCE = timedelta(days=30)
"""How long the first to finish waits for the last; a process that dies ends the wait at once."""


@dataclass(frozen=True)
class Processes:
    """This process's ``rank`` of ``count``, and its place among those of this machine."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that prepares and writes."""
        return self.rank == 0

    def meet(self) -> None:
        """Wait for all the others.

        Raises:
            RunError: one of them is gone.
        """
        if self.count > 1:
            try:
                distributed.barrier()
            except RuntimeError as error:
                raise RunError(f"process {self.rank} stops: another one is gone", remedy="see its message") from error


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the group that ``torchrun`` started, if it did."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Processes()
        return
    try:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"cannot join the other processes: {error}",
            expected="to be started by torchrun",
            remedy="unset WORLD_SIZE to run alone",
        ) from error
    try:
        yield Processes(
            distributed.get_rank(),
            distributed.get_world_size(),
            int(os.environ.get("LOCAL_RANK", "0")),
            int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )
    finally:
        distributed.destroy_process_group()
