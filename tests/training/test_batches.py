"""Batches of tables in memory and in files: each row once per epoch, in an order that depends on seed and epoch."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.checkpoint.file import load_checkpoint
from spinlock.config import VQVAEConfig
from spinlock.io import feature_table
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.training_data import TrainingData, fit_training_data, memory_limit, read_table
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training import batches as batches
from spinlock.training.batches import InMemoryBatches, StreamedBatches, extent_rows, make_batches
from spinlock.training.optimization.schedule import BatchPlan
from spinlock.training.resuming import with_stored_limit
from tests.training.runs import (
    CPU,
    config,
    curved_table,
    new_run,
    resumed_run,
    stop_at,
    train_and_save,
    train_in_memory,
    write_table_in,
)

OpenStream = Callable[..., tuple[TrainingData, StreamedBatches]]


def fit_data(settings: VQVAEConfig) -> TrainingData:
    """The training data of the table that the configuration names."""
    return fit_training_data(
        read_table(settings), data=settings, cleaning=settings, seed=settings.random_seed, device=CPU
    )


@pytest.fixture
def open_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenStream:
    """Opens a table of 240 rows in its file and makes its batches, with buffers of 40 rows from 10 extents."""
    monkeypatch.setattr(batches, "BUFFER_BYTES", 40 * 24 * 4)
    monkeypatch.setattr(batches, "EXTENTS_PER_BUFFER", 10)

    def make(group: ProcessGroup = SINGLE, **settings: Any) -> tuple[TrainingData, StreamedBatches]:
        if not (tmp_path / "table.h5").exists():
            write_table_in(tmp_path, chunks=(2, 24))
        chosen = config(tmp_path, max_table_mb=0.02, **settings)
        data = fit_data(chosen)
        built = make_batches(
            data,
            BatchPlan.of(len(data.split.train), chosen.batch_size),
            streamed=data.streamed,
            seed=chosen.random_seed,
            extent=extent_rows(data),
            group=group,
        )
        assert isinstance(built, StreamedBatches)
        return data, built

    return make


def all_rows(data: TrainingData, x: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(data.cleaner.transform(x[data.split.train]).values)


def sorted_rows(rows: Tensor) -> list[list[float]]:
    return sorted(rows.tolist())


@pytest.mark.parametrize("batch_size", [64, 50, 7, 216, 1])
def test_an_epoch_has_every_training_row_once_and_fills_the_last_batch_with_the_first_rows(
    open_stream: OpenStream, batch_size: int
) -> None:
    data, stream = open_stream(batch_size=batch_size)
    batches = list(stream.epoch_batches(1, 0))
    plan = stream.plan
    assert [len(batch) for batch in batches] == [plan.batch] * plan.steps
    rows = torch.cat(batches)
    assert sorted_rows(rows[: plan.rows]) == sorted_rows(all_rows(data, curved_table()))
    torch.testing.assert_close(rows[plan.rows :], rows[: len(rows) - plan.rows], rtol=0, atol=0)


def test_each_epoch_shuffles_rows_across_the_whole_file(open_stream: OpenStream) -> None:
    data, stream = open_stream()
    place = {tuple(row): index for index, row in enumerate(all_rows(data, curved_table()).tolist())}
    orders = [
        [place[tuple(row)] for row in torch.cat(list(stream.epoch_batches(epoch, 0))).tolist()] for epoch in (1, 2)
    ]
    assert orders[0] != orders[1]
    for order in orders:
        assert np.abs(np.diff(order)).mean() > 40  # 72 for a random order, 1 for the order of the file
        first = np.array(order[: len(order) // 4])
        assert first.min() < 40
        assert first.max() > 176


@pytest.mark.parametrize("batch_size", [64, 7])
def test_an_epoch_can_resume_at_any_step(open_stream: OpenStream, batch_size: int) -> None:
    _, stream = open_stream(batch_size=batch_size)
    whole = list(stream.epoch_batches(3, 0))
    for first in range(len(whole)):
        for expected, found in zip(whole[first:], stream.epoch_batches(3, first), strict=True):
            assert torch.equal(expected, found)


def test_resuming_within_an_epoch_does_not_read_earlier_rows(
    open_stream: OpenStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stream = open_stream(batch_size=54)
    read: list[int] = []
    real = StoredRows.__getitem__

    def counting(self: StoredRows, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        read.append(len(positions))
        return real(self, positions)

    monkeypatch.setattr(StoredRows, "__getitem__", counting)
    assert len(list(stream.epoch_batches(1, 3))) == 1
    assert sum(read) < 100


def test_each_process_gets_every_nth_row_of_a_batch(open_stream: OpenStream) -> None:
    whole = list(open_stream(batch_size=50)[1].epoch_batches(1, 0))
    shares = [list(open_stream(ProcessGroup(rank, 3), batch_size=50)[1].epoch_batches(1, 0)) for rank in range(3)]
    for step, batch in enumerate(whole):
        for rank in range(3):
            assert torch.equal(shares[rank][step], batch[rank::3])


def test_a_table_within_the_memory_limit_is_held_in_memory(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    chosen = config(tmp_path)
    data = fit_data(chosen)
    plan = BatchPlan.of(len(data.split.train), chosen.batch_size)
    held = make_batches(data, plan, streamed=data.streamed, seed=chosen.random_seed, extent=extent_rows(data))
    assert isinstance(held, InMemoryBatches)
    assert not data.streamed
    order = held.plan.order(chosen.random_seed, 2)
    assert all(torch.equal(batch, order[step]) for step, batch in enumerate(held.epoch_batches(2, 0)))
    assert len(list(held.epoch_batches(2, 3))) == 1


def test_a_streamed_table_holds_a_sample_of_rows_in_memory(open_stream: OpenStream) -> None:
    data, stream = open_stream(validation_fraction=0.5, fit_rows=100)
    assert data.streamed
    assert (len(data.train), len(data.validation)) == (100, 100)
    assert (len(data.split.train), stream.plan.rows) == (120, 120)
    expected = data.cleaner.transform(curved_table()[data.validation_rows]).values
    torch.testing.assert_close(data.validation, torch.from_numpy(expected), rtol=0, atol=0)


def test_batches_can_be_closed_within_an_epoch(open_stream: OpenStream) -> None:
    _, stream = open_stream(batch_size=7)
    batches = stream.epoch_batches(1, 0)
    assert len(list(islice(batches, 3))) == 3
    batches.close()  # type: ignore[attr-defined]


def test_resume_uses_the_stored_memory_limit_on_any_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table_in(tmp_path)
    chosen = config(tmp_path, epochs=1)
    train_and_save(new_run(chosen))
    checkpoint = load_checkpoint(tmp_path / "out" / "last.pt")
    monkeypatch.setattr(feature_table, "MEMORY_FRACTION", 1e-9)
    assert isinstance(read_table(chosen).rows, StoredRows)
    assert isinstance(read_table(with_stored_limit(chosen, checkpoint)).rows, np.ndarray)


def test_resume_is_exact_with_a_copy_of_the_table_in_other_chunks(tmp_path: Path) -> None:
    write_table_in(tmp_path, chunks=(5, 24))
    chosen = config(tmp_path, epochs=3, max_table_mb=0.02, batch_size=37)
    whole = train_in_memory(new_run(chosen))
    train_and_save(new_run(chosen), stop_at(8))
    (tmp_path / "table.h5").unlink()  # the stopped run still has this file open
    write_table_in(tmp_path, chunks=(77, 3))
    continued = resumed_run(tmp_path / "out" / "last.pt", chosen)
    assert continued.state.progress.step_in_epoch == 2
    train_in_memory(continued)
    for name, weights in whole.state.model.state_dict().items():
        assert torch.equal(continued.state.model.state_dict()[name], weights)


def test_processes_of_one_machine_divide_its_memory() -> None:
    assert memory_limit(4) == pytest.approx(memory_limit() / 4, rel=1e-6)
