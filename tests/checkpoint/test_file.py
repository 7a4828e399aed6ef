"""Checkpoints load as plain data. An invalid file is rejected with a message of one line."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.checkpoint.file import load_checkpoint, to_bytes
from spinlock.checkpoint.format import FORMAT_VERSION, KIND, REQUIRED
from spinlock.checkpoint.record import load_weights
from spinlock.checkpoint.tensors import to_arrays, to_tensors
from spinlock.errors import CheckpointError
from tests.checkpoint.files import load_error
from tests.training.runs import config, trained_run, write_table_in

DOCUMENTED = {
    "model_state_dict",
    "optimizer_state_dict",
    "group_indices",
    "normalization_stats",
    "feature_names",
    "config",
    "history",
    "val_loss",
    "metrics",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The best model of a short run."""
    folder = tmp_path_factory.mktemp("run")
    write_table_in(folder)
    trained_run(config(folder, epochs=2))
    return folder / "out" / "best_model.pt"


def save_changed(saved: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = torch.load(saved, weights_only=True)
    change(content)
    path = folder / "changed.pt"
    torch.save(content, path)
    return path


class TestContent:
    def test_a_checkpoint_holds_the_nine_documented_keys_as_plain_data(self, saved: Path) -> None:
        content = torch.load(saved, weights_only=True)
        assert content.keys() >= DOCUMENTED
        assert DOCUMENTED <= REQUIRED <= content.keys()

    def test_the_keys_have_their_documented_content(self, saved: Path) -> None:
        content = torch.load(saved, weights_only=True)
        names = content["feature_names"]
        assert len(names) == 24
        assert names[0] == "b0_x"
        indices = [index for group in content["group_indices"].values() for index in group]
        kept = [j for j, name in enumerate(names) if name not in content["dropped_features"]]
        assert sorted(indices) == kept
        assert content["normalization_stats"].keys() == content["group_indices"].keys()
        for name, group in content["group_indices"].items():
            assert content["normalization_stats"][name]["mean"].shape == (len(group),)
            assert content["normalization_stats"][name]["std"].shape == (len(group),)
        assert content["history"]["epoch"] == list(range(len(content["history"]["epoch"])))
        assert content["val_loss"] == content["training_state"]["best_validation"]["loss"]
        assert content["config"]["embedding_dim"] == 8

    def test_load_checkpoint_rebuilds_the_model_without_other_files(self, saved: Path) -> None:
        checkpoint = load_checkpoint(saved)
        model = checkpoint.build_model()
        assert not model.training
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, checkpoint.weights[name])
        assert checkpoint.feature_names[:2] == ("b0_x", "b0_y")
        assert checkpoint.cleaner.names == checkpoint.feature_names
        assert checkpoint.config.embedding_dim == 8
        assert checkpoint.spec.num_categories == 4

    def test_to_bytes_and_load_are_a_round_trip(self, saved: Path) -> None:
        content = torch.load(saved, weights_only=True)
        again = torch.load(io.BytesIO(to_bytes(load_checkpoint(saved))), weights_only=True)
        assert again.keys() == content.keys()
        for name, tensor in content["model_state_dict"].items():
            assert torch.equal(again["model_state_dict"][name], tensor)


class TestInvalidFiles:
    def test_load_rejects_a_missing_file(self, tmp_path: Path) -> None:
        assert "no such checkpoint; use the best_model.pt or last.pt" in load_error(tmp_path / "none.pt")

    def test_load_rejects_a_directory(self, tmp_path: Path) -> None:
        assert "is a directory" in load_error(tmp_path)

    @pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.7, 0.99, 0.9999])
    def test_load_rejects_a_truncated_file(self, saved: Path, tmp_path: Path, share: float) -> None:
        data = saved.read_bytes()
        path = tmp_path / "cut.pt"
        path.write_bytes(data[: int(share * len(data))])
        message = load_error(path)
        assert "truncated" in message or "not a checkpoint" in message
        assert "run code" not in message

    @pytest.mark.parametrize("data", [b"hello", b"epochs: 4\n" * 100, bytes(range(256)) * 8, b"PK\x03\x04 no archive"])
    def test_load_rejects_a_file_of_another_kind(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "other.pt"
        path.write_bytes(data)
        message = load_error(path)
        assert "not a checkpoint" in message
        assert "run code" not in message

    @pytest.mark.parametrize("content", [[1, 2], 5, {}, {"kind": "another program"}, torch.zeros(3)])
    def test_load_rejects_data_of_another_program(self, tmp_path: Path, content: object) -> None:
        path = tmp_path / "other.pt"
        torch.save(content, path)
        assert "is not a Spinlock checkpoint" in load_error(path)

    @pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, "1", None])
    def test_load_rejects_another_format_version(self, saved: Path, tmp_path: Path, version: object) -> None:
        message = load_error(save_changed(saved, tmp_path, lambda content: content.update(format_version=version)))
        shown = "null" if version is None else repr(version)
        assert f"has format version {shown}; expected version {FORMAT_VERSION}" in message

    @pytest.mark.parametrize("key", sorted(REQUIRED))
    def test_a_missing_key_is_named(self, saved: Path, tmp_path: Path, key: str) -> None:
        assert f"lacks {key};" in load_error(save_changed(saved, tmp_path, lambda content: content.pop(key)))

    def test_all_missing_keys_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.pt"
        torch.save({"kind": KIND, "format_version": FORMAT_VERSION}, path)
        assert all(key in load_error(path) for key in REQUIRED)

    @pytest.mark.parametrize(
        "change",
        [{"assignment": "both"}, {"bucket_sizes": [99]}, {"bucket_sizes": [0, 3]}, {"bucket_sizes": []}],
        ids=str,
    )
    def test_load_rejects_an_invalid_model_spec(self, saved: Path, tmp_path: Path, change: dict[str, object]) -> None:
        path = save_changed(saved, tmp_path, lambda content: content["model_spec"].update(change))
        assert f"is damaged: model_spec.{next(iter(change))}" in load_error(path)

    def test_load_rejects_weights_of_other_sizes(self, saved: Path, tmp_path: Path) -> None:
        checkpoint = load_checkpoint(saved)
        weights = checkpoint.weights | {"decoder.bias": torch.zeros(3)}
        with pytest.raises(CheckpointError, match=r"weights do not match model_spec .*decoder\.bias"):
            load_weights(checkpoint.build_model(), weights, saved)


class FileCreator:
    """An object whose unpickling creates a file, if the loader executes pickled code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.open, (str(self.path), os.O_CREAT | os.O_WRONLY)


class TestMaliciousPickle:
    def test_plain_unpickling_executes_the_code(self, tmp_path: Path) -> None:
        os.close(pickle.loads(pickle.dumps(FileCreator(tmp_path / "touched"))))
        assert (tmp_path / "touched").exists()

    def test_load_rejects_pickled_code_without_executing_it(self, saved: Path, tmp_path: Path) -> None:
        content = torch.load(saved, weights_only=True) | {"metrics": FileCreator(tmp_path / "touched")}
        path = tmp_path / "evil.pt"
        torch.save(content, path)
        assert "contains an object that could run code" in load_error(path)
        assert not (tmp_path / "touched").exists()

    @pytest.mark.parametrize("form", ["bare pickle", "format before zip archives"])
    def test_load_does_not_execute_code_in_older_file_formats(self, tmp_path: Path, form: str) -> None:
        path, evil = tmp_path / "evil.pt", {"kind": KIND, "metrics": FileCreator(tmp_path / "touched")}
        if form == "bare pickle":
            path.write_bytes(pickle.dumps(evil, protocol=2))
        else:
            torch.save(evil, path, _use_new_zipfile_serialization=False)
        load_error(path)
        assert not (tmp_path / "touched").exists()


class TestTensorsAndArrays:
    def test_arrays_keep_their_type_and_shape_in_a_round_trip(self) -> None:
        arrays = {
            "f8": np.linspace(0, 1, 6).reshape(2, 3),
            "f4": np.ones((2, 0), dtype=np.float32),
            "i8": np.arange(4),
            "flags": np.array([True, False]),
            "scalar": np.array(2.5),
            "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "every second": np.arange(10)[::2],
        }
        back = to_arrays(to_tensors(arrays))
        assert back.keys() == arrays.keys()
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype
            np.testing.assert_array_equal(back[name], array)
            assert back[name].shape == array.shape

    def test_numpy_scalars_become_python_numbers_and_other_values_are_unchanged(self) -> None:
        value = {"a": np.float64(0.1), "b": [np.int64(3), (np.bool_(True), None)], "c": "text", "d": 1.5}
        plain = to_tensors(value)
        assert plain == {"a": 0.1, "b": [3, [True, None]], "c": "text", "d": 1.5}
        assert [type(plain["a"]), type(plain["b"][0]), type(plain["b"][1][0])] == [float, int, bool]

    def test_nested_values_survive_a_round_trip(self) -> None:
        value = {"a": [{"b": np.arange(3)}, "x"], "c": {"d": np.zeros(2)}}
        back = to_arrays(to_tensors(value))
        np.testing.assert_array_equal(back["a"][0]["b"], np.arange(3))
        assert back["a"][1] == "x"
        np.testing.assert_array_equal(back["c"]["d"], np.zeros(2))

    def test_a_read_only_array_is_copied_without_a_warning(self) -> None:
        array = np.arange(3.0)
        array.flags.writeable = False
        assert torch.equal(to_tensors(array), torch.arange(3.0, dtype=torch.float64))
