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


def test_processes_and_threads_give_equal_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    by_processes = computed()
    monkeypatch.setattr(parallel, "can_fork", lambda: False)
    by_threads = computed()
    assert by_processes.keys() == by_threads.keys()
    for number, result in by_processes.items():
        for name in ("per_timestep", "per_trajectory", "aggregated", "blow_up"):
            np.testing.assert_array_equal(getattr(result, name), getattr(by_threads[number], name))


def test_blocks_are_computed_in_other_processes_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "compute_block", lambda *_: (os.getpid(), torch.get_num_threads()))
    results: Any = computed().values()
    processes, threads = zip(*results, strict=True)
    assert os.getpid() not in processes
    assert set(threads) == {1}


def test_an_error_of_a_block_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RunError("the block failed", where="block 3", remedy="none")

    monkeypatch.setattr(parallel, "compute_block", fail)
    with pytest.raises(RunError, match="block 3: the block failed; none"):
        computed()


def test_a_killed_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "compute_block", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RunError, match="the system killed a worker process"):
        computed()


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
    wait_for(lambda: not any(Path(f"/proc/{number}").exists() for number in workers), seconds=20)
