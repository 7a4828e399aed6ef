"""The files that a run writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.provenance import environment, versions
from spinlock.config import dump_config, load_config
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.training import run as run_module
from spinlock.training.resuming import latest_checkpoint
from tests.training.runs import (
    CPU,
    assert_same_result,
    config,
    interrupted_run,
    six_epochs,
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
        run = trained_run(config(folder, epochs=0))
        data = run.plan.data
        rows = data.table.rows[data.split.train].astype(np.float64)
        clipped = rows.clip(np.percentile(rows, 0.1, axis=0), np.percentile(rows, 99.9, axis=0))
        with np.load(folder / "out" / "normalization_stats.npz") as arrays:
            assert set(arrays) == {f"{name}_{key}" for name in run.plan.spec.category_names for key in ("mean", "std")}
            for name, group in zip(run.plan.spec.category_names, run.plan.spec.groups, strict=True):
                columns = data.cleaner.kept[list(group)]
                np.testing.assert_allclose(arrays[f"{name}_mean"], clipped.mean(0)[columns], rtol=1e-9)
                np.testing.assert_allclose(arrays[f"{name}_std"], clipped.std(0)[columns], rtol=1e-9)

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

    def test_provenance_is_stored(self, folder: Path) -> None:
        run = trained_run(config(folder, epochs=0))
        stored = run.checkpoint().to_dict()["provenance"]
        assert stored["versions"] == versions()
        assert stored["command_line"] == "test"
        assert stored["seeds"] == {"split_seed": 42, "random_seed": 42}
        assert environment(CPU)["device"] == "cpu"
