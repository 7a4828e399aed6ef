"""The files that a run writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.latest import latest_checkpoint
from spinlock.checkpoint.provenance import environment, versions
from spinlock.config import dump_config, load_config
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.training import run as run_module
from tests.training.runs import (
    CPU,
    assert_same_result,
    config,
    curved_table,
    interrupted_run,
    resumed_run,
    six_epochs,
    train_and_save,
    trained_run,
    write_table_in,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table_in(tmp_path)
    return tmp_path


class TestFiles:
    def test_a_run_writes_the_documented_files(self, folder: Path) -> None:
        run = trained_run(config(folder, epochs=2))
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

    def test_normalization_statistics_match_the_columns_of_each_category(self, folder: Path) -> None:
        run = trained_run(config(folder, epochs=0, normalization_method="standard"))
        data = run.plan.data
        rows = data.table.rows[data.split.train].astype(np.float64)
        clipped = rows.clip(np.percentile(rows, 0.1, axis=0), np.percentile(rows, 99.9, axis=0))
        with np.load(folder / "out" / "normalization_stats.npz") as arrays:
            assert set(arrays) == {f"{name}_{key}" for name in run.plan.spec.category_names for key in ("mean", "std")}
            for name, group in zip(run.plan.spec.category_names, run.plan.spec.groups, strict=True):
                columns = data.cleaner.kept[list(group)]
                np.testing.assert_allclose(arrays[f"{name}_mean"], clipped.mean(0)[columns], rtol=1e-9)
                np.testing.assert_allclose(arrays[f"{name}_std"], clipped.std(0)[columns], rtol=1e-9)

    @pytest.mark.parametrize("method", ["standard", "robust", "rank_gauss", "auto"])
    def test_normalization_statistics_are_the_applied_scale(self, tmp_path: Path, method: str) -> None:
        x = curved_table()
        x[:, 3] = np.exp(2 * x[:, 3])  # heavy-tailed
        write_table_in(tmp_path, x)
        run = trained_run(config(tmp_path, epochs=0, normalization_method=method))
        cleaner, spec = run.plan.data.cleaner, run.plan.spec
        stored = load_checkpoint(tmp_path / "out" / "best_model.pt").to_dict()["normalization_stats"]
        rows = x[run.plan.data.split.train]
        raw = rows.clip(*np.percentile(rows, [0.1, 99.9], axis=0)).astype(np.float64)[:, cleaner.kept]
        with np.load(tmp_path / "out" / "normalization_stats.npz") as arrays:
            for name, group in zip(spec.category_names, spec.groups, strict=True):
                columns = list(group)
                center, scale = (arrays[f"{name}_{key}"] for key in ("mean", "std"))
                np.testing.assert_array_equal(stored[name]["mean"], center)
                np.testing.assert_array_equal(stored[name]["std"], scale)
                applied = run.plan.data.train.numpy()[:, columns]
                estimated = (raw[:, columns] - center) / scale
                if method in ("standard", "robust"):
                    np.testing.assert_allclose(estimated, applied, rtol=1e-4, atol=1e-4)
                else:  # f(x) = 0 at the center, and f changes by about 1 in one scale
                    near = np.abs(applied) < 1
                    assert np.abs(estimated - applied)[near].mean() < 0.2
                    assert (np.sign(np.round(estimated, 4)) == np.sign(np.round(applied, 4))).mean() > 0.99
        assert (cleaner.normalizer.standardizes is False) == (method != "standard")

    def test_the_written_configuration_is_complete_and_trains_the_same_model(self, folder: Path) -> None:
        first = trained_run(config(folder, epochs=2))
        written = load_config(folder / "out" / "config.yaml")
        assert written.hidden_dim == first.plan.spec.hidden_dim
        again = trained_run(written.model_copy(update={"output_dir": folder / "again"}))
        assert again.plan.spec == first.plan.spec
        assert_same_result(folder / "out", folder / "again")
        assert dump_config(load_config(folder / "again" / "config.yaml")) == dump_config(again.plan.config)

    def test_the_best_model_is_replaced_before_the_last_checkpoint_except_in_the_first_save(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orders: list[list[str]] = []
        real = run_module.write_files

        def write(files: dict[Path, bytes], **options: bool) -> None:
            orders.append([path.name for path in files])
            real(files, **options)

        monkeypatch.setattr(run_module, "write_files", write)
        trained_run(config(folder, epochs=2, val_every_n_epochs=1))
        assert orders[0][:2] == ["last.pt", "best_model.pt"]  # replaces the last.pt of another run first
        assert all(order.index("last.pt") == ("best_model.pt" in order) for order in orders[1:])
        assert any("best_model.pt" in order for order in orders[1:])
        assert len(orders) == 4

    def test_checkpoint_dir_receives_the_last_checkpoint(self, folder: Path) -> None:
        interrupted_run(six_epochs(folder, checkpoint_dir=str(folder / "state")), 6)
        assert [path.name for path in (folder / "state").iterdir()] == ["last.pt"]
        assert not (folder / "out" / "last.pt").exists()
        assert latest_checkpoint(folder / "out")[0].path == folder / "state" / "last.pt"

    def test_a_finished_run_stores_the_final_metrics_in_both_checkpoints(self, folder: Path) -> None:
        run = trained_run(config(folder, epochs=2))
        metrics = final_metrics(run.best_model(), run.plan.data)
        for name in ("best_model.pt", "last.pt"):
            stored = load_checkpoint(folder / "out" / name).metrics
            assert stored["reconstruction_quality"] == metrics["reconstruction_quality"]
            assert stored["quality_by_level"] == metrics["quality_by_level"]

    @pytest.mark.parametrize("stop", [None, 21], ids=["finished", "stopped"])
    def test_the_best_model_has_the_whole_history(self, folder: Path, stop: int | None) -> None:
        settings = six_epochs(folder, learning_rate=0.05)
        run = trained_run(settings) if stop is None else interrupted_run(settings, stop)
        best = load_checkpoint(folder / "out" / "best_model.pt")
        assert best.state.progress.epoch == run.state.progress.best_epoch == 0
        assert best.history.columns == run.state.history.columns
        assert len(best.history) == (7 if stop is None else 6)
        assert best.finished == (stop is None)

    def test_a_run_is_resumed_from_the_best_model_alone(self, folder: Path) -> None:
        trained_run(six_epochs(folder, learning_rate=0.05))
        trained_run(six_epochs(folder, learning_rate=0.05, output_dir=str(folder / "cut")))
        (folder / "cut" / "last.pt").unlink()
        again = six_epochs(folder, learning_rate=0.05, output_dir=str(folder / "cut"))
        run = resumed_run(folder / "cut" / "best_model.pt", again)
        assert len(run.state.history) == 1
        train_and_save(run)
        assert_same_result(folder / "out", folder / "cut")

    def test_provenance_is_stored(self, folder: Path) -> None:
        run = trained_run(config(folder, epochs=0))
        stored = run.checkpoint().to_dict()["provenance"]
        assert stored["versions"] == versions()
        assert stored["command_line"] == "test"
        assert stored["seeds"] == {"split_seed": 42, "random_seed": 42}
        assert environment(CPU)["device"] == "cpu"
