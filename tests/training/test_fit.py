"""fit: a run from a configuration or a table in memory, a dry run, and a resumed run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spinlock.checkpoint.provenance import versions
from spinlock.config import VQVAEConfig
from spinlock.errors import CheckpointError, DataError
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.io import feature_table
from spinlock.io.feature_table import read_features
from spinlock.training.callbacks import Callback, SaveCheckpoints
from spinlock.training.fit import fit, start, train
from spinlock.training.plan import Plan
from spinlock.training.run import Run
from tests.training.runs import (
    Recorder,
    assert_same,
    assert_same_result,
    column_names,
    config,
    curved_table,
    interrupted_run,
    plan_of,
    six_epochs,
    stop_at,
    trained_run,
    write_table_in,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table_in(tmp_path)
    return tmp_path


class PlanRecorder(Callback):
    """Records the plan and whether training started."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.started = False

    def on_plan(self, plan: Plan) -> None:
        self.plans.append(plan)

    def on_start(self, run: Run) -> None:
        self.started = True


class TestFit:
    def test_fit_gives_the_same_result_as_plan_start_and_train(self, folder: Path) -> None:
        outcome = fit(six_epochs(folder), callbacks=[SaveCheckpoints()], command_line="a test")
        trained_run(six_epochs(folder, output_dir=str(folder / "parts")))
        assert outcome.run is not None
        assert outcome.run.plan is outcome.plan
        assert outcome.run.provenance.command_line == "a test"
        assert outcome.run.provenance.versions == versions()
        assert outcome.run.provenance.seeds == {"split_seed": 42, "random_seed": 42}
        assert_same_result(folder / "out", folder / "parts")

    def test_a_finished_run_has_the_metrics_of_its_best_model(self, folder: Path) -> None:
        run = fit(config(folder)).run
        assert run is not None
        assert run.end_reason is None
        assert not run.stopped
        assert_same(run.metrics, final_metrics(run.best_model(), run.plan.data))

    def test_nothing_is_written_without_save_checkpoints(self, folder: Path) -> None:
        before = sorted(folder.rglob("*"))
        fit(config(folder))
        assert sorted(folder.rglob("*")) == before

    def test_a_table_in_memory_needs_no_file(self, folder: Path) -> None:
        from_file = fit(six_epochs(folder)).run
        table = read_features(curved_table(), feature_names=column_names())
        settings = six_epochs(folder, input_path=str(folder / "nowhere.h5"))
        in_memory = fit(settings, table).run
        assert from_file is not None
        assert in_memory is not None
        assert in_memory.plan.spec == from_file.plan.spec
        assert_same(in_memory.state.best_weights, from_file.state.best_weights)
        assert in_memory.plan.data.table is table

    def test_training_does_not_depend_on_the_default_dtype_or_autocast(self, folder: Path) -> None:
        expected = fit(six_epochs(folder)).run
        run = start(plan_of(six_epochs(folder)))
        torch.set_default_dtype(torch.float64)
        try:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                train(run)
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
        assert expected is not None
        assert_same(run.state.best_weights, expected.state.best_weights)

    def test_a_missing_device_is_refused_before_the_table_is_read(self, folder: Path) -> None:
        with pytest.raises(DataError, match="cuda:77 does not exist"):
            fit(config(folder, device="cuda:77", input_path=str(folder / "nowhere.h5")))


class TestDryRun:
    def test_dry_run_stops_after_the_plan_and_writes_nothing(self, folder: Path) -> None:
        seen, before = PlanRecorder(), sorted(folder.rglob("*"))
        outcome = fit(config(folder), callbacks=[SaveCheckpoints(), seen], dry_run=True)
        assert outcome.run is None
        assert seen.plans == [outcome.plan]
        assert not seen.started
        assert outcome.plan.spec == plan_of(config(folder)).spec
        assert sorted(folder.rglob("*")) == before

    def test_training_the_plan_of_a_dry_run_equals_a_normal_run(self, folder: Path) -> None:
        dry = fit(six_epochs(folder), dry_run=True)
        run = start(dry.plan)
        train(run, [SaveCheckpoints()])
        trained_run(six_epochs(folder, output_dir=str(folder / "other")))
        assert_same_result(folder / "out", folder / "other")

    def test_dry_run_of_a_resumed_run_returns_the_run_untrained(self, folder: Path) -> None:
        interrupted_run(six_epochs(folder), 13)
        content = {path: path.read_bytes() for path in (folder / "out").iterdir()}
        outcome = fit(with_resume_from(six_epochs(folder), folder / "out"), callbacks=[SaveCheckpoints()], dry_run=True)
        assert outcome.run is not None
        assert outcome.run.plan is outcome.plan
        assert outcome.run.state.progress.step == 13
        assert {path: path.read_bytes() for path in (folder / "out").iterdir()} == content


def with_resume_from(settings: VQVAEConfig, path: Path) -> VQVAEConfig:
    return settings.model_copy(update={"resume_from": path})


class TestResume:
    def test_a_stopped_and_resumed_run_equals_an_uninterrupted_run(self, folder: Path) -> None:
        fit(six_epochs(folder), callbacks=[SaveCheckpoints()])
        cut = six_epochs(folder, output_dir=str(folder / "cut"))
        stopped = fit(cut, callbacks=[SaveCheckpoints(), stop_at(13)])
        assert stopped.run is not None
        assert stopped.run.stopped
        recorder, seen = Recorder(), PlanRecorder()
        outcome = fit(with_resume_from(cut, folder / "cut" / "last.pt"), callbacks=[SaveCheckpoints(), recorder, seen])
        assert outcome.run is not None
        assert seen.plans == [outcome.plan]
        assert len(recorder.steps) == 24 - 13
        assert outcome.run.changes == {}
        assert_same_result(folder / "out", folder / "cut")

    def test_resume_uses_the_furthest_checkpoint_and_notes_it(self, folder: Path) -> None:
        interrupted_run(six_epochs(folder), 13)
        best = folder / "out" / "best_model.pt"
        run = fit(with_resume_from(six_epochs(folder), best), dry_run=True).run
        assert run is not None
        last = folder / "out" / "last.pt"
        assert run.notes == (
            f"{last} of the same run is later than {best} and is used instead",
            f"resuming {last} after epoch 3 of 6, at step 1 of epoch 4",
        )

    def test_resume_compares_a_table_in_memory_with_the_dataset_of_the_run(self, folder: Path) -> None:
        interrupted_run(six_epochs(folder), 5)
        settings = with_resume_from(six_epochs(folder), folder / "out")
        x = curved_table()
        same = read_features(x, feature_names=column_names())
        run = fit(settings, same, dry_run=True).run
        assert run is not None
        assert run.plan.data.table is same
        x[3, 4] += 1e-3
        with pytest.raises(CheckpointError, match="was trained on another dataset than <memory>"):
            fit(settings, read_features(x, feature_names=column_names()))

    def test_resume_streams_the_table_if_the_run_streamed_it(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(feature_table, "MEMORY_FRACTION", 1e-9)
            interrupted_run(six_epochs(folder, batch_size=37), 5)
        run = fit(with_resume_from(six_epochs(folder, batch_size=37), folder / "out"), dry_run=True).run
        assert run is not None
        assert run.plan.data.streamed


def test_start_initializes_from_the_fit_rows_only(folder: Path) -> None:
    """The initialized network depends on the fit rows and seeds, and on no other row of the table."""
    plan = plan_of(config(folder, fit_rows=100))
    expected = start(plan).state.model.state_dict()
    rows = plan.data.train.clone()
    positions = np.searchsorted(plan.data.split.train, plan.fit_rows().units)
    others = np.setdiff1d(np.arange(len(rows)), positions)
    rows[torch.from_numpy(others)] += 100
    changed = start(replace(plan, data=replace(plan.data, train=rows, validation=plan.data.validation + 100)))
    assert_same(changed.state.model.state_dict(), expected)
    assert changed.state.progress.planned_steps == plan.total_steps
