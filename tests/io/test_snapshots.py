"""Frames of the fields of some operators."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.snapshots import read_snapshots

FIELDS = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.float32).reshape(2, 3, 2, 4, 5)


def write(path: Path, **changed: object) -> Path:
    content = {"fields": FIELDS, "operators": [1, 7], "steps": [0, 8, 16], **changed}
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[f"snapshots/{name}"] = np.asarray(values)
    return path


def test_snapshots_are_read_as_they_were_written(tmp_path: Path) -> None:
    fields = FIELDS.copy()
    fields[0, :, 1] = np.nan
    snapshots = read_snapshots(write(tmp_path / "table.h5", fields=fields))
    assert snapshots is not None
    np.testing.assert_array_equal(snapshots.fields, fields)
    assert snapshots.operators.tolist() == [1, 7]
    assert snapshots.steps.tolist() == [0, 8, 16]


def test_a_file_without_the_group_has_no_snapshots(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["features"] = 1
    assert read_snapshots(tmp_path / "table.h5") is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fields": FIELDS[:, 0]}, r"fields: has shape \(2, 2, 4, 5\)"),
        ({"fields": FIELDS[:, :0]}, r"fields: has shape \(2, 0, 2, 4, 5\)"),
        ({"fields": FIELDS.astype(np.int32)}, "fields: .* type int32"),
        ({"operators": [1, 2, 3]}, r"operators: has shape \(3,\)"),
        ({"operators": [7, 1]}, "operators: is not ascending"),
        ({"operators": [1, 1]}, "operators: is not ascending"),
        ({"operators": [-1, 1]}, "operators: .* negative"),
        ({"steps": [0, 1]}, r"steps: has shape \(2,\)"),
        ({"steps": [0.0, 1.0, 2.0]}, "steps: .* type float64"),
    ],
)
def test_another_layout_is_an_error(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_snapshots(write(tmp_path / "table.h5", **changed))


def test_a_group_without_a_dataset_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "table.h5")
    with h5py.File(path, "a") as file:
        del file["snapshots/steps"]
    with pytest.raises(DataError, match="steps: no such dataset"):
        read_snapshots(path)
