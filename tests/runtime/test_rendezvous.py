"""Start of the process group."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch

from spinlock.errors import RunError
from spinlock.runtime import rendezvous
from spinlock.runtime.process_group import SINGLE


def test_processes_that_have_not_joined_are_an_error_that_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 60))  # each reading of the clock is a minute later
    fake_time = SimpleNamespace(monotonic=lambda: float(next(clock)), sleep=lambda seconds: None)
    monkeypatch.setattr(rendezvous, "time", fake_time)
    with pytest.raises(RunError, match=r"process 0 stops: processes \[1, 2\] of 3 have not joined"):
        rendezvous._wait_for_all(torch.distributed.HashStore(), 0, 3)
    assert next(clock) >= timedelta(minutes=10).total_seconds()


def test_the_wait_ends_when_all_have_joined() -> None:
    store = torch.distributed.HashStore()
    store.set("joined/1", "")
    rendezvous._wait_for_all(store, 0, 2)


def test_a_process_without_torchrun_has_the_single_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with rendezvous.process_group() as group:
        assert group is SINGLE
