"""The functions of ``spinlock`` give the same results as the commands, without ``spinlock.cli``."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import spinlock as sl
from spinlock.errors import DataError
from spinlock.io.stored_rows import StoredRows
from tests.cli.test_memory import repeated_table
from tests.cli.workspace import NAMES, SMALL, Workspace, small_table
from tests.generation.settings import small_config
from tests.generation.test_generate import dataset_bytes
from tests.tables import low_rank_table, write_table

PROGRAM = """
import json, sys
import spinlock as sl

class StopAfterStep(sl.Callback):
    def __init__(self, steps):
        self.steps, self.calls = steps, []
    def on_step(self, run, report):
        self.calls.append("step")
        if self.calls.count("step") == self.steps:
            run.stop("enough")
    def on_validation(self, run, report):
        self.calls.append(f"quality of epoch {report.epoch}: {report.validation.quality:.2f}")
    def on_save(self, run, is_best):
        self.calls.append("save")

table = sl.read_features("table.h5")
categories = sl.discover_categories(table, num_categories_auto=3, stability=3)
categories.save("map.json")
settings = json.load(open("settings.json")) | {
    "category_assignment": "manual", "category_mapping_file": "map.json", "num_categories_auto": None
}

stop = StopAfterStep(5)
stopped = sl.Tokenizer.fit(table, settings, output_dir="run", save=True, callbacks=[stop])
resumed = sl.Tokenizer.fit(table, settings, output_dir="run", save=True, resume_from="run")
whole = sl.Tokenizer.fit(table, settings)

tokens = resumed.encode(table.rows)
summary = resumed.encode_file("table.h5", "tokens.h5", batch_size=33)
rows = resumed.decode_file("tokens.h5", "decoded.h5", levels=2)
report = sl.evaluate(resumed, table)

best, last = sl.Tokenizer.load("run/best_model.pt"), sl.Tokenizer.load("run/last.pt")

def losses(tokenizer):
    columns = tokenizer.checkpoint.history.columns
    return {name: columns[name] for name in columns if name != "seconds"}

print(json.dumps({
    "calls": stop.calls,
    "stopped": [stopped.metrics, stopped.checkpoint.state.progress.step],
    "resumed": [resumed.sha256(), resumed.metrics, losses(resumed)],
    "whole": [whole.sha256(), whole.metrics, losses(whole)],
    "saved": [[saved.sha256(), saved.metrics] for saved in (best, last)],
    "categories": [categories.columns, resumed.categories, categories.agreement],
    "tokens": tokens.tolist(),
    "decoded": resumed.decode(tokens, levels=2).tolist(),
    "rows": [summary.rows, rows],
    "report": [report.metrics, [target.metric for target in report.targets]],
    "modules": sorted(name for name in sys.modules if name.startswith(("spinlock.cli", "typer"))),
}))
"""
"""A program that discovers categories, trains, stops, resumes, encodes, decodes and evaluates."""


def run_program(program: str, folder: Path, *arguments: str) -> str:
    """Run a Python program in a folder and return its output."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def settings(**changes: Any) -> dict[str, Any]:
    """The small configuration without its paths."""
    return {key: value for key, value in (SMALL | changes).items() if key not in ("input_path", "output_dir")}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of :data:`PROGRAM` and its output."""
    folder = tmp_path_factory.mktemp("program")
    write_table(folder / "table.h5", small_table(), NAMES, labels={"solver": np.arange(80) % 4})
    (folder / "settings.json").write_text(json.dumps(settings(epochs=4, val_every_n_epochs=2)))
    return folder, json.loads(run_program(PROGRAM, folder))


class TestProgram:
    def test_the_program_does_not_import_the_command_line(self, program: tuple[Path, dict[str, Any]]) -> None:
        assert program[1]["modules"] == []

    def test_a_callback_is_called_and_stops_the_run(self, program: tuple[Path, dict[str, Any]]) -> None:
        calls = program[1]["calls"]
        assert calls[0] == "save"
        assert calls[1].startswith("quality of epoch 0: 0.")
        assert calls.count("step") == 5
        assert [call for call in calls if call.startswith("quality")][1].startswith("quality of epoch 2: 0.")
        assert calls[-1] == "save"
        assert program[1]["stopped"] == [{}, 5]

    def test_a_stopped_and_resumed_run_equals_an_uninterrupted_run(self, program: tuple[Path, dict[str, Any]]) -> None:
        printed = program[1]
        assert printed["resumed"] == printed["whole"]
        assert printed["resumed"][2]["epoch"] == [0, 1, 2, 3, 4]
        assert printed["saved"] == [printed["whole"][:2]] * 2

    def test_the_tokenizer_has_the_discovered_categories(self, program: tuple[Path, dict[str, Any]]) -> None:
        discovered, trained, agreement = program[1]["categories"]
        assert trained == discovered
        assert list(agreement) == list(discovered)
        assert len(discovered) == 3

    def test_files_hold_the_same_tokens_and_features_as_arrays(self, program: tuple[Path, dict[str, Any]]) -> None:
        folder, printed = program
        assert printed["rows"] == [80, 80]
        with h5py.File(folder / "tokens.h5") as file:
            assert file["tokens/indices"][()].tolist() == printed["tokens"]
            assert file["labels/solver"][()].tolist() == [0, 1, 2, 3] * 20
        with h5py.File(folder / "decoded.h5") as file:
            decoded = file["features/sdf/aggregated/features"][()]
        np.testing.assert_array_equal(decoded, np.array(printed["decoded"], dtype=np.float32))
        assert np.square(decoded - small_table()).sum() < 0.6 * np.square(small_table()).sum()

    def test_the_report_of_the_training_table_has_the_metrics_of_the_run(
        self, program: tuple[Path, dict[str, Any]]
    ) -> None:
        metrics, targets = program[1]["report"]
        assert metrics == program[1]["whole"][1]
        assert len(targets) == 4


BLOCK_ROWS, FEW_ROWS, MANY_ROWS = 20_000, 100_000, 1_200_000
"""Number of rows that are repeated, and rows of a small and of a large file."""

ALLOWANCE = 50_000
"""Maximum growth of the peak in kilobytes. The larger table has 75,000, and its tokens as int64 56,000."""

STREAMING = """
import re, sys
import spinlock as sl
name, model = sys.argv[1:]
tokenizer = sl.Tokenizer.load(model)
tokenizer.encode_file(f"{name}.h5", f"{name}_tokens.h5")
tokenizer.decode_file(f"{name}_tokens.h5", f"{name}_decoded.h5")
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
"""A program that encodes and decodes a file and prints its peak memory in kilobytes."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_for_files_larger_than_max_table_mb_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    x = low_rank_table(np.random.default_rng(0), BLOCK_ROWS, 16, 6)
    for name, rows in (("few", FEW_ROWS), ("many", MANY_ROWS)):
        repeated_table(tmp_path / f"{name}.h5", x, rows)
    limited = settings(max_table_mb=1, fit_rows=2_000, num_categories_auto=2, batch_size=3600)
    with pytest.warns(sl.SpinlockWarning, match="split_by"):  # the table repeats its rows
        tokenizer = sl.Tokenizer.fit(tmp_path / "few.h5", limited)
    assert isinstance(sl.read_features(tmp_path / "few.h5", max_bytes=2**20).rows, StoredRows)
    tokenizer.save(tmp_path / "model.pt")
    few, many = (int(run_program(STREAMING, tmp_path, name, "model.pt")) for name in ("few", "many"))
    assert many < few + ALLOWANCE, (few, many)
    with h5py.File(tmp_path / "many_tokens.h5") as file:
        assert file["tokens/indices"].shape == (MANY_ROWS, 6)
        np.testing.assert_array_equal(file["tokens/indices"][-BLOCK_ROWS:], tokenizer.encode(x))
    with h5py.File(tmp_path / "many_decoded.h5") as file:
        assert file["features/sdf/aggregated/features"].shape == (MANY_ROWS, 16)


def attributes(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        return dict(file.attrs)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the files that the commands wrote."""
    workspace = Workspace.make(tmp_path_factory.mktemp("commands"))
    workspace.run_checked("train-vqvae", "--config", "config.json")
    model = ("--vqvae-model", "run/best_model.pt")
    workspace.run_checked("encode-to-tokens", "--dataset", "table.h5", *model, "--output", "tokens.h5")
    workspace.run_checked("decode-tokens", "--tokens", "tokens.h5", *model, "--output", "decoded.h5", "--levels", "2")
    workspace.run_checked("discover-categories", "--config", "config.json", "--output", "map.json", "--stability", "3")
    return workspace


class TestCommandsAndFunctions:
    def test_training_gives_the_same_model_and_metrics(self, workspace: Workspace) -> None:
        trained = sl.Tokenizer.fit(workspace.path / "table.h5", settings())
        loaded = sl.Tokenizer.load(workspace.path / "run/best_model.pt")
        assert trained.sha256() == loaded.sha256()
        assert trained.metrics == loaded.metrics
        assert trained.categories == loaded.categories

    def test_token_files_and_decoded_files_are_equal(self, workspace: Workspace, tmp_path: Path) -> None:
        tokenizer = sl.Tokenizer.load(workspace.path / "run/best_model.pt")
        tokenizer.encode_file(workspace.path / "table.h5", tmp_path / "tokens.h5")
        tokenizer.decode_file(tmp_path / "tokens.h5", tmp_path / "decoded.h5", levels=2)
        for name in ("tokens.h5", "decoded.h5"):
            assert dataset_bytes(tmp_path / name) == dataset_bytes(workspace.path / name)
            assert attributes(tmp_path / name) == attributes(workspace.path / name)

    def test_mapping_files_are_equal(self, workspace: Workspace, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(workspace.path)
            sl.discover_categories("table.h5", settings(), stability=3).save(tmp_path / "map.json")
        assert (tmp_path / "map.json").read_bytes() == (workspace.path / "map.json").read_bytes()

    def test_generated_and_extracted_datasets_are_equal(self, tmp_path: Path) -> None:
        config = small_config(num_samples=6, store_trajectories=True)
        workspace = Workspace(tmp_path)
        workspace.text("small.yaml", json.dumps(config.model_dump(mode="json")))
        workspace.run_checked("generate", "--config", "small.yaml", "--output", "data.h5")
        workspace.run_checked("extract-features", "--rollouts", "data.h5", "--output", "features.h5")
        result = sl.generate(tmp_path / "small.yaml", tmp_path / "data2.h5")
        extracted = sl.extract_features(tmp_path / "data2.h5", tmp_path / "features2.h5", device="cpu")
        assert (result.num_operators, extracted.num_operators) == (6, 6)
        assert dataset_bytes(tmp_path / "data.h5") == dataset_bytes(tmp_path / "data2.h5")
        assert dataset_bytes(tmp_path / "features.h5") == dataset_bytes(tmp_path / "features2.h5")


class TestNames:
    def test_dir_lists_the_exported_names(self) -> None:
        assert dir(sl) == sorted(sl.__all__)
        assert {"Tokenizer", "Callback", "read_features", "discover_categories", "evaluate", "generate"} <= set(dir(sl))
        assert all(getattr(sl, name) is not None for name in dir(sl))

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="module 'spinlock' has no attribute 'encoder'"):
            _ = sl.encoder  # type: ignore[attr-defined]
        with pytest.raises(ImportError, match="cannot import name 'tokenise'"):
            from spinlock import tokenise  # type: ignore[attr-defined]  # noqa: F401

    def test_errors_of_the_functions_are_spinlock_errors(self) -> None:
        with pytest.raises(sl.SpinlockError) as error:
            sl.read_features("nowhere.h5")
        assert isinstance(error.value, DataError)
        assert str(error.value) == "nowhere.h5: no such file; name an existing HDF5 file"

    def test_generate_accepts_a_configuration_object_and_keywords(self, tmp_path: Path) -> None:
        result = sl.generate(small_config(), tmp_path / "data.h5", num_samples=4)
        table = sl.read_features(tmp_path / "data.h5")
        assert result.num_operators == table.num_operators == 4
        with pytest.raises(sl.SpinlockError, match="did you mean num_samples"):
            sl.generate(small_config(), tmp_path / "new.h5", num_sample=4)
        assert not (tmp_path / "new.h5").exists()
