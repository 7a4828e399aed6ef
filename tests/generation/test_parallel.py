"""Workers that compute blocks: equal results of processes and threads, and the end of the processes in every case."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.errors import RunError
from spinlock.generation import parallel
from spinlock.generation.blocks import Block, plan_blocks
from spinlock.generation.compute_block import BlockResult
from spinlock.generation.design import make_design
from spinlock.generation.snapshots import SnapshotPlan
from tests.generation.settings import small_config

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="worker processes are forked on Linux only"
)


def small_run() -> AbstractContextManager[parallel.Results]:
    """The computation of all blocks of a small configuration by two workers."""
    settings = small_config()
    design = make_design(settings)
    plan = SnapshotPlan.make(design.operators, settings)
    return parallel.computed_blocks(plan_blocks(design.operators, "cpu"), design, settings, plan, CPU, workers=2)


def computed() -> dict[int, BlockResult]:
    """Results of all blocks of the small configuration by their numbers."""
    with small_run() as results:
        return {block.number: result for block, result in results}


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children() -> list[int]:
    """Process numbers of the children of this process that have not ended."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(number) for number in text.split()]


def is_running(number: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_processes_and_threads_give_equal_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    by_processes = computed()
    monkeypatch.setattr(parallel, "can_fork", lambda: False)
    by_threads = computed()
    assert by_processes.keys() == by_threads.keys()
    for number, result in by_processes.items():
        for name in ("per_timestep", "per_trajectory", "aggregated", "blow_up"):
            np.testing.assert_array_equal(getattr(result, name), getattr(by_threads[number], name))


def test_blocks_are_computed_in_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "compute_block", lambda *_: os.getpid())
    results: Any = computed().values()
    assert os.getpid() not in results


def test_threads_compute_the_blocks_if_processes_share_no_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(parallel, "ForkedPool", fail)
    monkeypatch.setattr(parallel, "compute_block", lambda *_: os.getpid())
    results: Any = computed().values()
    assert set(results) == {os.getpid()}


def test_an_error_of_a_block_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RunError("the block failed", where="block 3", remedy="none")

    monkeypatch.setattr(parallel, "compute_block", fail)
    with pytest.raises(RunError, match="block 3: the block failed; none"):
        computed()


def test_a_killed_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill_one(block: Block, *arguments: Any) -> None:
        if block.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)

    before = children()
    monkeypatch.setattr(parallel, "compute_block", kill_one)
    with pytest.raises(RunError, match="a worker process ended unexpectedly"):
        computed()
    wait_for(lambda: children() == before, seconds=20)


def test_an_interrupt_stops_the_blocks_that_are_being_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless_after_the_first(block: Block, *arguments: Any) -> None:
        check = arguments[-1]
        while block.number > 0:
            check()
            time.sleep(0.01)

    def interrupted_run() -> None:
        with small_run() as results:
            assert next(results)[0].number == 0
            assert len(children()) == len(before) + 2
            raise KeyboardInterrupt

    before = children()
    monkeypatch.setattr(parallel, "compute_block", endless_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        interrupted_run()
    assert children() == before


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, sys, time
        from spinlock.generation import parallel
        from tests.generation.test_parallel import computed

        def wait(*_):
            with open(sys.argv[1], "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(600)

        parallel.compute_block = wait
        computed()
        """
    )
    started = tmp_path / "started"
    with subprocess.Popen([sys.executable, "-c", program, str(started)]) as process:
        wait_for(lambda: started.exists() and len(started.read_text().split()) == 2, seconds=120)
        workers = [int(number) for number in started.read_text().split()]
        process.kill()
    wait_for(lambda: not any(is_running(number) for number in workers), seconds=20)
