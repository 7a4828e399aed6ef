"""The estimate of a run: seconds are proportional to the steps, bytes include the table and the weights."""

import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spinlock.training.batches import BUFFER_BYTES
from spinlock.training.estimate import estimate
from tests.training.runs import CPU, config, plan_of, write_table_in


def test_estimated_seconds_are_the_time_of_the_second_step_times_the_number_of_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table_in(tmp_path)
    plan = plan_of(config(tmp_path, epochs=5))
    readings = itertools.chain([0.0, 100.0], [200.0, 203.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(readings))
    assert estimate(plan, CPU).seconds == 3.0 * 20


def test_estimated_memory_grows_with_the_table_and_the_network(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    plan = plan_of(config(tmp_path))
    memory = estimate(plan, CPU).memory
    data = plan.data
    assert memory > 2 * data.table.rows.nbytes
    wider = replace(plan, spec=replace(plan.spec, hidden_dim=512))
    assert estimate(wider, CPU).memory > memory + 4 * 3 * 512 * plan.spec.num_categories * plan.batch_plan.batch


def test_estimated_memory_of_a_streamed_table_counts_buffers_instead_of_the_table(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    held, streamed = (plan_of(config(tmp_path, max_table_mb=limit, hidden_dim=16)) for limit in (None, 0.02))
    assert held.spec == streamed.spec
    difference = estimate(streamed, CPU).memory - estimate(held, CPU).memory
    assert difference == 3 * BUFFER_BYTES + streamed.data.table.rows.nbytes - held.data.table.rows.nbytes


def test_estimate_does_not_change_the_global_random_state(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    plan = plan_of(config(tmp_path))
    before = torch.get_rng_state()
    estimate(plan, CPU)
    assert torch.equal(torch.get_rng_state(), before)
