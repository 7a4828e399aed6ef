"""Frozen files of format 1 give the values that were stored with them. Damaged files are refused."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from spinlock import SpinlockError, Tokenizer, evaluate, read_features
from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.format import REQUIRED
from spinlock.errors import CheckpointError, DataError
from spinlock.io.tokens import TokenFile

HERE = Path(__file__).parent
FEATURES = HERE / "features.h5"
FROZEN = ("local_v1", "joint_v1")
MAX_BYTES = 200_000


def checkpoint_path(stem: str) -> Path:
    return HERE / f"checkpoint_{stem}.pt"


def rows() -> np.ndarray:
    return np.asarray(read_features(FEATURES).rows)


def test_every_frozen_file_is_tested_and_all_files_are_small() -> None:
    assert {path.stem.removeprefix("checkpoint_") for path in HERE.glob("*.pt")} == set(FROZEN)
    assert [path.name for path in HERE.glob("tokens*.h5")] == ["tokens_v1.h5"]
    assert sum(path.stat().st_size for path in HERE.iterdir() if path.is_file()) < MAX_BYTES


@pytest.mark.parametrize("stem", FROZEN)
class TestCheckpoint:
    def test_a_frozen_checkpoint_encodes_and_decodes_to_the_frozen_values(self, stem: str) -> None:
        tokenizer, expected = Tokenizer.load(checkpoint_path(stem)), np.load(HERE / f"expected_{stem}.npz")
        block = tokenizer.encode_block(rows())
        clear = ~block.near_tie  # another processor can select the other code of a near tie
        assert clear.mean() > 0.9
        assert len(np.unique(block.indices, axis=0)) > 20
        np.testing.assert_array_equal(block.indices[clear], expected["tokens"][clear])
        np.testing.assert_allclose(block.error[clear], expected["error"][clear], rtol=1e-4)
        tokens = expected["tokens"].astype(np.int64)
        np.testing.assert_allclose(tokenizer.decode(tokens), expected["decoded"], rtol=1e-5, atol=1e-5)
        prefix = tokenizer.decode(tokens[:8], levels=1)
        np.testing.assert_allclose(prefix, expected["decoded_level_1"], rtol=1e-5, atol=1e-5)

    def test_a_frozen_checkpoint_holds_its_run(self, stem: str) -> None:
        checkpoint = load_checkpoint(checkpoint_path(stem))
        assert checkpoint.finished
        assert checkpoint.cleaner.dropped.keys() == {"steady", "double"}
        assert checkpoint.spec.num_codes == ((4, 3, 2),) * 3
        assert f"{checkpoint.spec.assignment}_v1" == stem
        assert checkpoint.history.columns["epoch"] == [0, 1, 2, 3]
        assert checkpoint.state.progress.epoch == 3
        assert (len(checkpoint.split.train), len(checkpoint.split.validation)) == (72, 8)

    def test_evaluation_of_a_frozen_checkpoint_reproduces_its_metrics(self, stem: str) -> None:
        tokenizer = Tokenizer.load(checkpoint_path(stem))
        report = evaluate(tokenizer, FEATURES)
        assert report.rows == "validation"
        for target in report.targets:
            assert target.value == pytest.approx(tokenizer.metrics[target.metric], rel=1e-4)
        assert report.metrics["rank_quality"] is None
        assert "rank_quality is not known" in report.notes[0]

    def test_the_run_of_a_frozen_checkpoint_can_be_resumed(self, stem: str) -> None:
        config = load_checkpoint(checkpoint_path(stem)).requested | {"epochs": 5, "resume_from": checkpoint_path(stem)}
        resumed = Tokenizer.fit(FEATURES, config)
        assert resumed.checkpoint.history.columns["epoch"] == [0, 1, 2, 3, 4, 5]
        assert resumed.checkpoint.provenance == load_checkpoint(checkpoint_path(stem)).provenance

    @pytest.mark.parametrize("damage", [3, "words", [], None], ids=str)
    @pytest.mark.parametrize("key", sorted(REQUIRED))
    def test_a_damaged_part_of_a_checkpoint_is_an_error_of_one_line(
        self, stem: str, key: str, damage: Any, tmp_path: Path
    ) -> None:
        content = torch.load(checkpoint_path(stem), weights_only=True) | {key: damage}
        path = tmp_path / "damaged.pt"
        torch.save(content, path)
        with pytest.raises(CheckpointError) as error:
            Tokenizer.load(path)
        assert key in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


class TestTokenFile:
    def test_a_frozen_token_file_is_read_and_belongs_to_its_checkpoint(self) -> None:
        expected = np.load(HERE / "expected_local_v1.npz")
        checkpoint = load_checkpoint(checkpoint_path("local_v1"))
        with TokenFile.open(HERE / "tokens_v1.h5") as source:
            np.testing.assert_array_equal(source.indices, expected["tokens"])
            np.testing.assert_allclose(source.row_quality("reconstruction_error"), expected["error"], rtol=1e-6)
            assert source.codebook_size == (4, 3, 2) * 3
            assert source.columns.names == tuple(checkpoint.spec.token_columns())
            assert source.attributes["model_sha256"] == checkpoint.sha256()
            held_out = np.flatnonzero(source.split == "validation")
            np.testing.assert_array_equal(held_out, checkpoint.split.validation_operators)
        with h5py.File(HERE / "tokens_v1.h5") as file:
            np.testing.assert_array_equal(file["labels/solver"][()], np.arange(80) % 4)

    def test_a_frozen_token_file_is_decoded_to_the_frozen_values(self, tmp_path: Path) -> None:
        tokenizer, expected = Tokenizer.load(checkpoint_path("local_v1")), np.load(HERE / "expected_local_v1.npz")
        tokenizer.decode_file(HERE / "tokens_v1.h5", tmp_path / "decoded.h5")
        decoded = read_features(tmp_path / "decoded.h5")
        assert decoded.names == tokenizer.feature_names
        np.testing.assert_allclose(np.asarray(decoded.rows), expected["decoded"], rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda file: file.attrs.modify("format_version", 2), "token format version 2; expected version 1"),
            (lambda file: file.attrs.modify("format", "other"), "is not a token file"),
            (lambda file: file.__delitem__("tokens/level"), "/tokens/level: no such dataset"),
            (lambda file: file.__delitem__("tokens/indices"), "/tokens/indices: no such dataset"),
            (lambda file: file["tokens/indices"].__setitem__((3, 2), 7), "row 3 is 7"),
        ],
    )
    def test_a_damaged_token_file_is_an_error_of_one_line(self, change: Any, words: str, tmp_path: Path) -> None:
        path = tmp_path / "damaged.h5"
        shutil.copy(HERE / "tokens_v1.h5", path)
        with h5py.File(path, "r+") as file:
            change(file)
        tokenizer = Tokenizer.load(checkpoint_path("local_v1"))
        with pytest.raises(DataError, match=words) as error:
            tokenizer.decode_file(path, tmp_path / "decoded.h5")
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "decoded.h5").exists()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["checkpoint_local_v1.pt", "tokens_v1.h5", "features.h5"])
def test_a_truncated_file_is_an_error_of_one_line(name: str, kept: float, tmp_path: Path) -> None:
    data = (HERE / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(kept * len(data))])
    read = {"checkpoint": load_checkpoint, "tokens": TokenFile.open, "features": read_features}
    with pytest.raises(SpinlockError) as error:
        read[name.partition("_")[0].removesuffix(".h5")](path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
