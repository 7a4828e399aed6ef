"""Resuming a run: exact continuation, more epochs, and refusal of another configuration or dataset."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.latest import latest_checkpoint
from spinlock.config import load_config
from spinlock.errors import CheckpointError, RunError
from spinlock.preprocessing.training_data import read_table
from spinlock.runtime import compilation
from spinlock.runtime.compilation import CompilePlan
from spinlock.training import run as run_module
from spinlock.training.resuming import CHANGEABLE, resume_run
from spinlock.training.validation import Validator
from tests.training.runs import (
    EAGER,
    Recorder,
    assert_same,
    assert_same_result,
    config,
    curved_table,
    interrupted_run,
    new_run,
    resumed_run,
    six_epochs,
    stop_at,
    train_and_save,
    train_in_memory,
    trained_run,
    write_table_in,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table_in(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of six epochs. Tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    write_table_in(folder)
    trained_run(six_epochs(folder))
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped after five steps. Tests must not change it."""
    folder = tmp_path_factory.mktemp("interrupted")
    write_table_in(folder)
    interrupted_run(six_epochs(folder), 5)
    return folder


class TestResume:
    @pytest.mark.parametrize("after", [12, 13, 15, 16, 21], ids=lambda after: f"{after} steps")
    def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_run(
        self, folder: Path, finished: Path, after: int
    ) -> None:
        cut = six_epochs(folder, output_dir=str(folder / "cut"))
        stopped = interrupted_run(cut, after)
        assert stopped.state.progress.step == after
        run = resumed_run(folder / "cut" / "last.pt", cut)
        assert run.state.progress.step == after
        assert run.changes == {}
        recorder = Recorder()
        train_and_save(run, recorder)
        assert len(recorder.steps) == 24 - after
        assert_same_result(finished / "out", folder / "cut")

    @pytest.mark.parametrize(
        "settings",
        [{"use_ema": False}, {"warm_start": False}, {"assignment": "joint"}, {"normalization_method": "rank_gauss"}],
        ids=str,
    )
    def test_resume_is_exact_for_each_kind_of_run(self, folder: Path, settings: dict[str, Any]) -> None:
        settings |= {"epochs": 3, "val_every_n_epochs": 1}
        trained_run(six_epochs(folder, **settings))
        cut = six_epochs(folder, output_dir=str(folder / "cut"), **settings)
        interrupted_run(cut, 6)
        train_and_save(resumed_run(folder / "cut" / "last.pt", cut))
        assert_same_result(folder / "out", folder / "cut")

    def test_resume_is_exact_after_two_interruptions(self, folder: Path, finished: Path) -> None:
        cut = six_epochs(folder, output_dir=str(folder / "cut"))
        interrupted_run(cut, 5)
        train_and_save(resumed_run(folder / "cut" / "last.pt", cut), stop_at(6))
        run = resumed_run(folder / "cut" / "last.pt", cut)
        assert run.state.progress.step == 11
        train_and_save(run)
        assert_same_result(finished / "out", folder / "cut")

    def test_resume_is_exact_from_the_best_model_without_the_last_checkpoint(
        self, folder: Path, finished: Path
    ) -> None:
        cut = six_epochs(folder, output_dir=str(folder / "cut"))
        interrupted_run(cut, 14)
        (folder / "cut" / "last.pt").unlink()
        checkpoint, _ = latest_checkpoint(folder / "cut")
        assert checkpoint.path.name == "best_model.pt"
        train_and_save(resumed_run(checkpoint.path, cut))
        assert_same_result(finished / "out", folder / "cut")

    def test_additional_epochs_keep_the_last_learning_rate(self, folder: Path) -> None:
        trained_run(six_epochs(folder))
        run = resumed_run(folder / "out" / "last.pt", six_epochs(folder, epochs=9))
        assert run.changes == {"epochs": (6, 9)}
        train_and_save(run)
        rates = run.state.history.columns["learning_rate"]
        assert len(rates) == 10
        assert rates[6] == rates[7] == rates[8] == rates[9]
        assert load_checkpoint(folder / "out" / "last.pt").config.epochs == 9

    def test_extending_a_run_of_zero_epochs_equals_the_longer_run(self, folder: Path, finished: Path) -> None:
        trained_run(six_epochs(folder, epochs=0, output_dir=str(folder / "cut")))
        more = six_epochs(folder, output_dir=str(folder / "cut"))
        train_and_save(resumed_run(folder / "cut" / "last.pt", more))
        assert_same_result(finished / "out", folder / "cut")

    def test_resuming_a_finished_run_takes_no_steps(self, folder: Path) -> None:
        trained_run(six_epochs(folder))
        run, recorder = resumed_run(folder / "out" / "last.pt", six_epochs(folder)), Recorder()
        train_and_save(run, recorder)
        assert run.end_reason is None
        assert recorder.steps == []

    def test_the_resolved_and_the_requested_configuration_resume_without_changes(self, interrupted: Path) -> None:
        written = load_config(interrupted / "out" / "config.yaml")
        assert resumed_run(interrupted / "out" / "last.pt", written).changes == {}
        assert resumed_run(interrupted / "out" / "last.pt", six_epochs(interrupted)).changes == {}

    def test_resume_in_another_directory_copies_the_best_model(self, folder: Path) -> None:
        trained_run(six_epochs(folder, learning_rate=0.05))
        other = six_epochs(folder, learning_rate=0.05, epochs=7, output_dir=str(folder / "other"))
        run = resumed_run(folder / "out" / "last.pt", other)
        train_and_save(run)
        best = [load_checkpoint(folder / name / "best_model.pt").to_dict() for name in ("out", "other")]
        assert best[0]["training_state"]["progress"]["best_epoch"] == 0
        assert_same(best[0]["model_state_dict"], best[1]["model_state_dict"])

    def test_resume_accepts_changeable_keys_and_reports_their_changes(self, interrupted: Path) -> None:
        settings = six_epochs(interrupted, learning_rate=0.001, early_stopping_patience=7, verbose=False, save_every=1)
        run = resumed_run(interrupted / "out" / "last.pt", settings)
        assert run.changes == {
            "learning_rate": (0.0007, 0.001),
            "early_stopping_patience": (250, 7),
            "save_every": (None, 1),
        }
        assert run.plan.config.learning_rate == 0.001
        assert {"learning_rate", "epochs", "output_dir", "device", "verbose"} <= CHANGEABLE

    def test_a_run_whose_validation_ran_out_of_memory_is_resumed_with_the_named_key(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained_run(six_epochs(folder))
        run, validate = new_run(six_epochs(folder, output_dir=str(folder / "cut"))), Validator.__call__

        def full_after_epoch_zero(self: Validator, model: Any) -> Any:
            if self.block > 256 and len(run.state.history) > 0:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return validate(self, model)

        monkeypatch.setattr(Validator, "__call__", full_after_epoch_zero)
        with pytest.raises(RunError) as error:
            train_and_save(run)
        key, value = str(error.value).rsplit(" ", 1)[1].split("=")
        smaller = six_epochs(folder, output_dir=str(folder / "cut"), **{key: int(value)})
        resumed = resumed_run(folder / "cut" / "last.pt", smaller)
        assert resumed.changes == {"val_batch_size": (1024, 256)}
        train_and_save(resumed)
        assert_same_result(folder / "out", folder / "cut")

    @pytest.mark.parametrize(
        ("key", "value"),
        [("batch_size", 32), ("random_seed", 1), ("use_ema", False), ("embedding_dim", 9), ("hidden_dim", 99)],
    )
    def test_resume_refuses_a_change_of_any_other_key_and_names_it(
        self, interrupted: Path, key: str, value: Any
    ) -> None:
        with pytest.raises(CheckpointError, match=rf"differs from the run's: {key} \(was .*, is {value!r}\)"):
            resumed_run(interrupted / "out" / "last.pt", six_epochs(interrupted, **{key: value}))

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            ({"epoch": 0}, "step is 6; expected 2 steps after epoch 0"),
            ({"step_in_epoch": 4, "step": 8}, "step_in_epoch is 4; expected fewer than 4 steps"),
            ({"losses": {"total": 1.0}}, "losses is .*; expected codebook"),
        ],
        ids=["epoch", "step in epoch", "losses"],
    )
    def test_resume_refuses_a_position_that_the_run_does_not_have(
        self, folder: Path, damage: dict[str, Any], message: str
    ) -> None:
        interrupted_run(six_epochs(folder), 6)
        stored = load_checkpoint(folder / "out" / "last.pt")
        for name, value in damage.items():
            setattr(stored.state.progress, name, value)
        with pytest.raises(CheckpointError, match=rf"is damaged: training_state.progress.{message}"):
            resume_run(stored, read_table(six_epochs(folder)), six_epochs(folder))

    def test_resume_names_all_refused_changes(self, interrupted: Path) -> None:
        with pytest.raises(CheckpointError) as error:
            resumed_run(
                interrupted / "out" / "last.pt", six_epochs(interrupted, topo_weight=0.0, ema_decay=0.9, epochs=7)
            )
        assert "topo_weight (was 0.45, is 0.0)" in str(error.value)
        assert "ema_decay (was 0.995, is 0.9)" in str(error.value)
        assert "epochs" not in str(error.value)

    @pytest.mark.parametrize("other", ["one value", "names", "rows"])
    def test_another_dataset_is_refused(self, interrupted: Path, tmp_path: Path, other: str) -> None:
        x, settings = curved_table(), six_epochs(tmp_path)
        if other == "one value":
            x[3, 4] += 1e-3
        path = write_table_in(tmp_path, x[:200] if other == "rows" else x)
        if other == "names":
            with h5py.File(path, "a") as file:
                file["features/sdf/aggregated/feature_names"][0] = "other"
        with pytest.raises(CheckpointError, match=f"was trained on another dataset than {path}"):
            resumed_run(interrupted / "out" / "last.pt", settings)

    def test_resume_accepts_a_moved_dataset(self, folder: Path) -> None:
        interrupted_run(six_epochs(folder), 5)
        (folder / "moved").mkdir()
        (folder / "table.h5").rename(folder / "moved" / "table.h5")
        settings = six_epochs(folder, input_path=str(folder / "moved" / "table.h5"))
        assert resumed_run(folder / "out" / "last.pt", settings).changes == {}

    def test_a_changed_mapping_file_is_refused(self, folder: Path) -> None:
        mapping = folder / "map.json"
        halves = {"left": list(range(12)), "right": list(range(12, 24))}
        mapping.write_text(json.dumps(halves))
        settings = six_epochs(
            folder, num_categories_auto=None, category_assignment="manual", category_mapping_file=str(mapping)
        )
        interrupted_run(settings, 5)
        assert resumed_run(folder / "out" / "last.pt", settings).changes == {}
        mapping.write_text(json.dumps({"left": list(range(13)), "right": list(range(13, 24))}))
        with pytest.raises(CheckpointError, match=r"the mapping file .* differs from the run's in left, right"):
            resumed_run(folder / "out" / "last.pt", settings)

    def test_a_compiled_run_can_resume_eager_and_an_eager_run_stays_eager(self, folder: Path) -> None:
        trained_run(six_epochs(folder, epochs=0))
        assert resumed_run(folder / "out" / "last.pt", six_epochs(folder)).plan.compile_plan == EAGER
        content = torch.load(folder / "out" / "last.pt", weights_only=True)
        content["training_state"]["compile"] = asdict(CompilePlan(True, "torch.compile"))
        torch.save(content, folder / "stored.pt")
        run = resumed_run(folder / "stored.pt", six_epochs(folder, use_torch_compile=False))
        assert run.plan.compile_plan == compilation.EAGER_BY_CHOICE
        assert (
            compilation.adapt_to_machine(compilation.EAGER_BY_CHOICE, enabled=True).reason
            == "eager: the run was started with use_torch_compile: false"
        )
        assert run.changes == {"epochs": (0, 6)}

    def test_a_stored_compile_plan_becomes_eager_without_a_compiler(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained_run(six_epochs(folder, epochs=0))
        path = folder / "stored.pt"
        content = torch.load(folder / "out" / "last.pt", weights_only=True)
        content["training_state"]["compile"] = asdict(CompilePlan(True, "torch.compile"))
        torch.save(content, path)
        assert resumed_run(path, six_epochs(folder)).plan.compile_plan.compile == compilation.compiler_available()
        monkeypatch.setattr(compilation, "compiler_available", lambda: False)
        plan = resumed_run(path, six_epochs(folder)).plan.compile_plan
        assert not plan.compile
        assert "no C++ compiler was found here" in plan.reason


class TestFurthestCheckpoint:
    def test_a_run_killed_while_it_replaces_another_run_is_resumed_instead_of_the_other_run(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained_run(six_epochs(folder, epochs=1))
        old = load_checkpoint(folder / "out" / "best_model.pt").to_dict()
        real = run_module.write_files

        def killed(files: dict[Path, bytes], **options: bool) -> None:
            real(dict(list(files.items())[:1]), **options)
            raise KeyboardInterrupt

        new = six_epochs(folder, epochs=2, random_seed=5)
        monkeypatch.setattr(run_module, "write_files", killed)
        with pytest.raises(KeyboardInterrupt):
            train_and_save(new_run(new))
        monkeypatch.setattr(run_module, "write_files", real)
        assert load_checkpoint(folder / "out" / "best_model.pt").to_dict()["provenance"] == old["provenance"]
        checkpoint, note = latest_checkpoint(folder / "out")
        assert (checkpoint.path.name, note) == ("last.pt", "")
        train_and_save(resumed_run(checkpoint.path, new))
        trained_run(six_epochs(folder, epochs=2, random_seed=5, output_dir=str(folder / "whole")))
        assert_same_result(folder / "out", folder / "whole")

    def test_a_directory_gives_its_last_checkpoint(self, interrupted: Path) -> None:
        assert latest_checkpoint(interrupted / "out")[0].path == interrupted / "out" / "last.pt"

    def test_a_best_model_gives_the_last_checkpoint_of_its_run_with_a_note(self, interrupted: Path) -> None:
        checkpoint, note = latest_checkpoint(interrupted / "out" / "best_model.pt")
        assert checkpoint.path == interrupted / "out" / "last.pt"
        assert "is used instead" in note

    def test_a_directory_without_a_checkpoint_is_refused(self, folder: Path) -> None:
        with pytest.raises(CheckpointError, match=r"contains neither last\.pt nor best_model\.pt"):
            latest_checkpoint(folder)


def test_a_streamed_run_keeps_its_extents_if_the_file_has_other_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spinlock.training.batches.BUFFER_BYTES", 4 * 24 * 64)
    settings = config(tmp_path, max_table_mb=0.001)
    write_table_in(tmp_path, chunks=(7, 24))
    whole = train_in_memory(new_run(settings))
    assert whole.plan.data.streamed
    interrupted_run(settings, after=2)
    (tmp_path / "table.h5").unlink()  # the table of the first run still reads it
    write_table_in(tmp_path, chunks=(60, 24))
    resumed = resumed_run(tmp_path / "out/last.pt", settings)
    assert resumed.state.progress.extent == whole.state.progress.extent != new_run(settings).state.progress.extent
    train_in_memory(resumed)
    assert_same(resumed.state.model.state_dict(), whole.state.model.state_dict())
