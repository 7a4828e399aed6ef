"""Datasets of operators that are written in blocks."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.io.features import open_features
from spinlock.io.operators import FIELDS, OperatorFile
from spinlock.io.rollouts import open_rollouts

TABLES = {"aggregated": (["a", "b"], ()), "per_trajectory": (["c"], (3,))}


def test_tables_annotations_and_fields_survive_a_round_trip(tmp_path: Path, rng: np.random.Generator) -> None:
    aggregated = rng.standard_normal((5, 2)).astype(np.float32)
    per_trajectory = rng.standard_normal((5, 3, 1)).astype(np.float32)
    fields = rng.standard_normal((3, 4, 1, 6, 8)).astype(np.float32)
    with OperatorFile(tmp_path / "out.h5", 5, TABLES, attributes={"seed": 1}) as file:
        for block in (slice(0, 2), slice(2, 5)):
            file.write({"aggregated": aggregated[block], "per_trajectory": per_trajectory[block]})
        file.write_dataset("labels/family", np.array(list("vwxyz")), description="a letter")
        file.create_frames(FIELDS, (2, 3, 4, 2, 6, 8))
        file.write_frames(FIELDS, 1, fields)
    with open_features(tmp_path / "out.h5") as source:
        assert source.names == ("a", "b")
        assert np.array_equal(source.read_all(), aggregated)
        assert source.read_label("family").tolist() == list("vwxyz")
        assert source.file_attributes()["seed"] == 1
    with open_features(tmp_path / "out.h5", feature_type="per_trajectory") as source:
        assert np.array_equal(source.read_all(), per_trajectory.reshape(15, 1))
    with open_rollouts(tmp_path / "out.h5") as rollouts:
        assert np.array_equal(rollouts.read_operator(1)[:, :, :1], fields)
        assert np.isnan(rollouts.read_operator(1)[:, :, 1]).all()
        assert np.isnan(rollouts.read_operator(0)).all()
    with h5py.File(tmp_path / "out.h5") as stored:
        assert stored["labels/family"].attrs["description"] == "a letter"


def test_blocks_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="do not fit"),
        OperatorFile(tmp_path / "out.h5", 5, TABLES) as file,
    ):
        file.write({"aggregated": np.zeros((2, 2), np.float32), "per_trajectory": np.zeros((3, 3, 1), np.float32)})
    assert list(tmp_path.iterdir()) == []
