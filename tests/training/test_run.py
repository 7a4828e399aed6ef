"""A run's files, and resuming it: bit for bit, further than planned, and not when it would be another run."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from spinlock.config import VQVAEConfig, dump_config, load_config
from spinlock.errors import CheckpointError
from spinlock.training import compilation
from spinlock.training import run as run_module
from spinlock.training.checkpoint import load_checkpoint
from spinlock.training.compilation import CompilePlan
from spinlock.training.report import final_metrics
from spinlock.training.run import MAY_DIFFER, Run, environment, furthest_checkpoint, versions
from spinlock.training.stopping import StopRequest
from tests.training.runs import CPU, Silent, config, curved_table, fresh, resumed, table_at, trained


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table_at(tmp_path)
    return tmp_path


def six(folder: Path, **settings: Any) -> VQVAEConfig:
    return config(folder, **({"epochs": 6, "val_every_n_epochs": 2, "dead_code_reset_interval": 5} | settings))


def interrupted(settings: VQVAEConfig, after: int) -> Run:
    """A new run that is asked to stop after so many steps."""
    run, stop = fresh(settings), StopRequest()
    run.train(Silent(lambda step: stop.stop("asked") if step == after else None), stop)
    return run


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested dictionaries and lists, with the way to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}/{index}")
    else:
        yield path, value


def assert_same(first: Any, second: Any) -> None:
    """Equal bit for bit."""
    one, other = dict(leaves(first)), dict(leaves(second))
    assert one.keys() == other.keys()
    for path, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other[path]), path
        else:
            assert value == other[path], path


def assert_same_result(first: Path, second: Path) -> None:
    """Both directories hold the same weights, optimiser, history and best model."""
    one, other = (load_checkpoint(folder / "last.pt").content for folder in (first, second))
    for key in ("model_state_dict", "optimizer_state_dict", "val_loss", "metrics", "validation_errors"):
        assert_same(one[key], other[key])
    for key in ("weights", "progress", "best_validation"):
        assert_same(one["training_state"][key], other["training_state"][key])
    histories = [{k: v for k, v in content["history"].items() if k != "seconds"} for content in (one, other)]
    assert_same(*histories)
    best = [load_checkpoint(folder / "best_model.pt").content["model_state_dict"] for folder in (first, second)]
    assert_same(*best)
    written = [json.loads((folder / "training_history.json").read_text()) for folder in (first, second)]
    assert all(written[0][k] == written[1][k] for k in written[0] if k != "seconds")


class TestFiles:
    def test_a_run_writes_what_the_document_lists(self, folder: Path) -> None:
        run = trained(config(folder, epochs=2))
        out = folder / "out"
        assert {path.name for path in out.iterdir()} == {
            "best_model.pt",
            "last.pt",
            "config.yaml",
            "normalization_stats.npz",
            "training_history.json",
            "training_history.jsonl",
        }
        history = json.loads((out / "training_history.json").read_text())
        assert history == run.state.history.columns
        lines = (out / "training_history.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [0, 1, 2]

    def test_statistics_are_those_of_each_categorys_columns(self, folder: Path) -> None:
        run = trained(config(folder, epochs=0))
        data = run.fixed.data
        rows = data.table.rows[data.split.train].astype(np.float64)
        clipped = rows.clip(np.percentile(rows, 0.1, axis=0), np.percentile(rows, 99.9, axis=0))
        with np.load(folder / "out" / "normalization_stats.npz") as arrays:
            assert set(arrays) == {f"{name}_{key}" for name in run.fixed.spec.category_names for key in ("mean", "std")}
            for name, group in zip(run.fixed.spec.category_names, run.fixed.spec.groups, strict=True):
                columns = data.cleaner.kept[list(group)]
                np.testing.assert_allclose(arrays[f"{name}_mean"], clipped.mean(0)[columns], rtol=1e-9)
                np.testing.assert_allclose(arrays[f"{name}_std"], clipped.std(0)[columns], rtol=1e-9)

    def test_the_configuration_is_complete_and_trains_the_same_model(self, folder: Path) -> None:
        first = trained(config(folder, epochs=2))
        written = load_config(folder / "out" / "config.yaml")
        assert written.hidden_dim == first.fixed.spec.hidden_dim
        again = trained(written.model_copy(update={"output_dir": folder / "again"}))
        assert again.fixed.spec == first.fixed.spec
        assert_same_result(folder / "out", folder / "again")
        assert dump_config(load_config(folder / "again" / "config.yaml")) == dump_config(again.fixed.config)

    def test_the_best_model_is_renamed_before_the_last_state(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orders: list[list[str]] = []
        real = run_module.write_files

        def write(files: dict[Path, bytes]) -> None:
            orders.append([path.name for path in files])
            real(files)

        monkeypatch.setattr(run_module, "write_files", write)
        trained(config(folder, epochs=2, val_every_n_epochs=1))
        assert orders[0][:2] == ["best_model.pt", "last.pt"]
        assert all(order.index("last.pt") == ("best_model.pt" in order) for order in orders)
        assert len(orders) == 3

    def test_the_last_state_has_its_own_directory_when_asked(self, folder: Path) -> None:
        interrupted(six(folder, checkpoint_dir=str(folder / "state")), 6)
        assert [path.name for path in (folder / "state").iterdir()] == ["last.pt"]
        assert not (folder / "out" / "last.pt").exists()
        assert furthest_checkpoint(folder / "out").checkpoint.path == folder / "state" / "last.pt"

    def test_finishing_stores_the_final_metrics_in_both(self, folder: Path) -> None:
        run = trained(config(folder, epochs=2))
        metrics = final_metrics(run.best_model(), run.fixed.data)
        run.finish(metrics)
        for name in ("best_model.pt", "last.pt"):
            stored = load_checkpoint(folder / "out" / name).content["metrics"]
            assert stored["reconstruction_quality"] == metrics["reconstruction_quality"]
            assert stored["quality_by_level"] == metrics["quality_by_level"]

    def test_provenance_is_stored(self, folder: Path) -> None:
        run = trained(config(folder, epochs=0))
        stored = run.content(run.state)["provenance"]
        assert stored["versions"] == versions()
        assert stored["command_line"] == "test"
        assert stored["seeds"] == {"split_seed": 42, "random_seed": 42}
        assert environment(CPU)["device"] == "cpu"


class TestResume:
    @pytest.mark.parametrize("after", [12, 13, 15, 16, 21], ids=lambda after: f"{after} steps")
    def test_an_interrupted_run_ends_as_one_that_was_not(self, folder: Path, after: int) -> None:
        trained(six(folder))
        cut = six(folder, output_dir=str(folder / "cut"))
        stopped = interrupted(cut, after)
        assert stopped.state.progress.step == after
        run = resumed(folder / "cut" / "last.pt", cut)
        assert run.state.progress.step == after
        assert run.changed == {}
        observer = Silent()
        run.train(observer, StopRequest())
        assert len(observer.steps) == 24 - after
        assert_same_result(folder / "out", folder / "cut")

    @pytest.mark.parametrize(
        "settings",
        [{"use_ema": False}, {"warm_start": False}, {"assignment": "joint"}, {"normalization_method": "rank_gauss"}],
        ids=str,
    )
    def test_whatever_the_run_is_like(self, folder: Path, settings: dict[str, Any]) -> None:
        settings |= {"epochs": 3, "val_every_n_epochs": 1}
        trained(six(folder, **settings))
        cut = six(folder, output_dir=str(folder / "cut"), **settings)
        interrupted(cut, 6)
        resumed(folder / "cut" / "last.pt", cut).train(Silent(), StopRequest())
        assert_same_result(folder / "out", folder / "cut")

    def test_twice_interrupted(self, folder: Path) -> None:
        trained(six(folder))
        cut = six(folder, output_dir=str(folder / "cut"))
        interrupted(cut, 5)
        run, stop = resumed(folder / "cut" / "last.pt", cut), StopRequest()
        run.train(Silent(lambda step: stop.stop("asked") if step == 6 else None), stop)
        run = resumed(folder / "cut" / "last.pt", cut)
        assert run.state.progress.step == 11
        run.train(Silent(), StopRequest())
        assert_same_result(folder / "out", folder / "cut")

    def test_from_the_best_model_alone(self, folder: Path) -> None:
        trained(six(folder))
        cut = six(folder, output_dir=str(folder / "cut"))
        interrupted(cut, 14)
        (folder / "cut" / "last.pt").unlink()
        found = furthest_checkpoint(folder / "cut")
        assert found.checkpoint.path.name == "best_model.pt"
        resumed(found.checkpoint.path, cut).train(Silent(), StopRequest())
        assert_same_result(folder / "out", folder / "cut")

    def test_more_epochs_go_on_at_the_last_learning_rate(self, folder: Path) -> None:
        trained(six(folder))
        run = resumed(folder / "out" / "last.pt", six(folder, epochs=9))
        assert run.changed == {"epochs": (6, 9)}
        run.train(Silent(), StopRequest())
        rates = run.state.history.columns["learning_rate"]
        assert len(rates) == 10
        assert rates[6] == rates[7] == rates[8] == rates[9]
        assert load_checkpoint(folder / "out" / "last.pt").config.epochs == 9

    def test_a_run_of_no_epochs_that_is_extended_is_the_longer_run(self, folder: Path) -> None:
        trained(six(folder))
        trained(six(folder, epochs=0, output_dir=str(folder / "cut")))
        more = six(folder, output_dir=str(folder / "cut"))
        resumed(folder / "cut" / "last.pt", more).train(Silent(), StopRequest())
        assert_same_result(folder / "out", folder / "cut")

    def test_a_finished_run_has_nothing_left_to_do(self, folder: Path) -> None:
        trained(six(folder))
        run, observer = resumed(folder / "out" / "last.pt", six(folder)), Silent()
        assert run.train(observer, StopRequest()) is None
        assert observer.steps == []

    def test_the_resolved_configuration_resumes_as_well_as_the_given_one(self, folder: Path) -> None:
        interrupted(six(folder), 5)
        written = load_config(folder / "out" / "config.yaml")
        assert resumed(folder / "out" / "last.pt", written).changed == {}
        assert resumed(folder / "out" / "last.pt", six(folder)).changed == {}

    def test_in_another_directory_the_best_model_comes_along(self, folder: Path) -> None:
        trained(six(folder, learning_rate=1.0))
        other = six(folder, learning_rate=1.0, epochs=7, output_dir=str(folder / "other"))
        run = resumed(folder / "out" / "last.pt", other)
        run.train(Silent(), StopRequest())
        best = [load_checkpoint(folder / name / "best_model.pt").content for name in ("out", "other")]
        assert best[0]["training_state"]["progress"]["best_epoch"] == 0
        assert_same(best[0]["model_state_dict"], best[1]["model_state_dict"])

    def test_what_may_differ_may_and_is_told(self, folder: Path) -> None:
        interrupted(six(folder), 5)
        settings = six(folder, learning_rate=0.001, early_stopping_patience=7, verbose=False, save_every=1)
        run = resumed(folder / "out" / "last.pt", settings)
        assert run.changed == {
            "learning_rate": (0.0007, 0.001),
            "early_stopping_patience": (250, 7),
            "save_every": (None, 1),
        }
        assert run.fixed.config.learning_rate == 0.001
        assert {"learning_rate", "epochs", "output_dir", "device", "verbose"} <= MAY_DIFFER

    @pytest.mark.parametrize(
        ("key", "value"),
        [("batch_size", 32), ("random_seed", 1), ("use_ema", False), ("embedding_dim", 9), ("hidden_dim", 99)],
    )
    def test_any_other_difference_is_refused_by_name(self, folder: Path, key: str, value: Any) -> None:
        interrupted(six(folder), 5)
        with pytest.raises(CheckpointError, match=rf"differs from the run's: {key} \(was .*, is {value!r}\)"):
            resumed(folder / "out" / "last.pt", six(folder, **{key: value}))

    def test_all_refused_differences_are_named(self, folder: Path) -> None:
        interrupted(six(folder), 5)
        with pytest.raises(CheckpointError) as error:
            resumed(folder / "out" / "last.pt", six(folder, topo_weight=0.0, ema_decay=0.9, epochs=7))
        assert "topo_weight (was 0.45, is 0.0)" in str(error.value)
        assert "ema_decay (was 0.995, is 0.9)" in str(error.value)
        assert "epochs" not in str(error.value)

    @pytest.mark.parametrize("other", ["one value", "names", "rows"])
    def test_another_dataset_is_refused(self, folder: Path, other: str) -> None:
        interrupted(six(folder), 5)
        x, settings = curved_table(), six(folder, input_path=str(folder / "other" / "table.h5"))
        (folder / "other").mkdir()
        if other == "one value":
            x[3, 4] += 1e-3
        path = table_at(folder / "other", x[:200] if other == "rows" else x)
        if other == "names":
            with h5py.File(path, "a") as file:
                file["features/sdf/aggregated/feature_names"][0] = "other"
        with pytest.raises(CheckpointError, match=f"was trained on another dataset than {path}"):
            resumed(folder / "out" / "last.pt", settings)

    def test_the_same_dataset_elsewhere_is_the_same(self, folder: Path) -> None:
        interrupted(six(folder), 5)
        (folder / "moved").mkdir()
        (folder / "table.h5").rename(folder / "moved" / "table.h5")
        settings = six(folder, input_path=str(folder / "moved" / "table.h5"))
        assert resumed(folder / "out" / "last.pt", settings).changed == {}

    def test_a_stored_plan_to_compile_needs_a_compiler_here(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained(six(folder, epochs=0))
        path = folder / "stored.pt"
        content = torch.load(folder / "out" / "last.pt", weights_only=True)
        content["training_state"]["compile"] = asdict(CompilePlan(True, "torch.compile"))
        torch.save(content, path)
        assert resumed(path, six(folder)).fixed.compile_plan.compile == compilation.compiler_available()
        monkeypatch.setattr(compilation, "compiler_available", lambda: False)
        plan = resumed(path, six(folder)).fixed.compile_plan
        assert not plan.compile
        assert "no C++ compiler was found here" in plan.reason


class TestFurthest:
    def test_a_directory_means_its_last_state(self, folder: Path) -> None:
        interrupted(six(folder), 5)
        assert furthest_checkpoint(folder / "out").checkpoint.path == folder / "out" / "last.pt"

    def test_a_best_model_means_the_last_state_of_its_run_with_a_note(self, folder: Path) -> None:
        interrupted(six(folder), 5)
        found = furthest_checkpoint(folder / "out" / "best_model.pt")
        assert found.checkpoint.path == folder / "out" / "last.pt"
        assert "got further" in found.note

    def test_a_directory_without_a_checkpoint(self, folder: Path) -> None:
        with pytest.raises(CheckpointError, match=r"holds neither last\.pt nor best_model\.pt"):
            furthest_checkpoint(folder)
