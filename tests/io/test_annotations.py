"""Labels and other annotations of the operators of a file."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features
from tests.tables import write_table


@pytest.fixture
def table() -> np.ndarray:
    return np.zeros((50, 4), np.float32)


def test_a_label_with_lists_is_refused(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "t.h5", table)
    with h5py.File(path, "a") as file:
        lists = file.create_dataset("labels/lists", (len(table),), dtype=h5py.vlen_dtype(np.int64))
        lists[0] = [1, 2]
    with open_features(path) as source, pytest.raises(DataError, match=r"/labels/lists has type object"):
        source.read_label("lists")


def test_labels_are_read_by_name(tmp_path: Path, table: np.ndarray) -> None:
    labels = {"kind": ["a"] * 25 + ["ö"] * 25, "size": np.arange(50), "short": np.arange(3)}
    with open_features(write_table(tmp_path / "a.h5", table, labels=labels)) as source:
        assert source.labels() == ("kind", "size")
        assert source.read_label("labels/kind")[[0, -1]].tolist() == ["a", "ö"]
        assert np.array_equal(source.read_label("size"), np.arange(50))
        with pytest.raises(DataError, match=r"no label /labels/color; expected one of the existing labels: kind, size"):
            source.read_label("color")
        with pytest.raises(DataError, match=r"/labels/short has shape \(3,\); expected \(50,\)"):
            source.read_label("short")
    with open_features(write_table(tmp_path / "b.h5", table)) as source:
        assert source.labels() == ()
        with pytest.raises(DataError, match=r"existing labels: \(none\)"):
            source.read_label("kind")


@pytest.mark.parametrize("block_labels", [1, 7, 50])
@pytest.mark.parametrize(
    "values",
    [
        ["b"] * 20 + ["a"] * 20 + ["ö"] * 10,
        np.arange(50) % 7 - 3,
        np.where(np.arange(50) % 3, np.nan, 1.5),
        [True] * 50,
    ],
    ids=["text", "numbers", "missing", "one"],
)
def test_groups_are_numbered_in_the_sorted_order_of_their_labels(
    tmp_path: Path, table: np.ndarray, monkeypatch: pytest.MonkeyPatch, values: Any, block_labels: int
) -> None:
    monkeypatch.setattr("spinlock.io.annotations.BLOCK_LABELS", block_labels)
    with open_features(write_table(tmp_path / "a.h5", table, labels={"kind": values})) as source:
        expected = np.unique(source.read_label("kind"), return_inverse=True)[1]
        assert source.read_groups("labels/kind").tolist() == expected.tolist()


def test_annotations_are_copied_with_their_attributes(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table, labels={"kind": np.arange(50)})
    with h5py.File(path, "a") as file:
        file["parameters/params"] = np.ones((50, 2))
        file["metadata"] = "made by hand"
        file["labels"].attrs["unit"] = "m"
        file["unrelated"] = 1
    with open_features(path) as source, h5py.File(tmp_path / "b.h5", "w") as target:
        source.copy_annotations(target)
        assert sorted(target) == ["labels", "metadata", "parameters"]
        assert target["labels"].attrs["unit"] == "m"
        assert np.array_equal(target["labels/kind"], np.arange(50))


@pytest.mark.parametrize("link", [h5py.SoftLink("/nowhere"), h5py.ExternalLink("gone.h5", "/labels")])
def test_a_broken_link_instead_of_the_labels_is_noted(tmp_path: Path, link: Any) -> None:
    path = write_table(tmp_path / "t.h5", np.ones((4, 2)))
    with h5py.File(path, "r+") as file:
        file["labels"] = link
    with open_features(path) as source:
        assert source.labels() == ()
        assert len(source.notes) == 1
        assert f"{path}:/labels" in source.notes[0]
        with pytest.raises(DataError, match=r":/labels: (is a broken link|reads the file)"):
            source.read_groups("kind")
