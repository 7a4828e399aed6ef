"""Annotations are copied as data: links are resolved, and what cannot be copied is reported."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.io.features import open_features
from tests.io.inputs.files import X, virtual_table
from tests.tables import write_table

KINDS = [f"family_{i % 5}" for i in range(40)]


def copied(path: Path, target: Path) -> tuple[str, ...]:
    """Copy the annotations of a table to another folder, and return the notes."""
    target.parent.mkdir(exist_ok=True)
    with open_features(path) as source, h5py.File(target, "w") as file:
        source.copy_annotations(file)
        return source.notes


def test_what_lies_behind_a_link_is_copied_as_data(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", X)
    virtual_table(tmp_path)
    X.tofile(tmp_path / "raw.bin")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kinds"] = KINDS
        file["kinds"].attrs["unit"] = "m"
        file["deep/kinds"] = h5py.SoftLink("/kinds")
    with h5py.File(path, "r+") as file:
        file["raw/kinds"] = KINDS
        file["labels/soft"] = h5py.SoftLink("/raw/kinds")
        file["labels/outside"] = h5py.ExternalLink("other.h5", "/kinds")
        file["metadata"] = h5py.ExternalLink("other.h5", "/deep")
        file["parameters/virtual"] = h5py.ExternalLink("whole.h5", "features/sdf/aggregated/features")
        file["parameters"].create_dataset("raw", X.shape, X.dtype, external=[("raw.bin", 0, X.nbytes)])
    notes = copied(path, tmp_path / "away/copy.h5")
    with h5py.File(tmp_path / "away/copy.h5") as file:
        for name in ("labels/soft", "labels/outside", "metadata/kinds"):
            assert file[name].asstr()[:].tolist() == KINDS
        assert file["labels/outside"].attrs["unit"] == "m"
        np.testing.assert_array_equal(file["parameters/virtual"], X)
        np.testing.assert_array_equal(file["parameters/raw"], X)
        assert not file["parameters/virtual"].is_virtual
        assert not file["parameters/raw"].external
    content = (tmp_path / "away/copy.h5").read_bytes()
    assert not any(name in content for name in (b"raw.bin", b"other.h5", b"part0.h5"))
    assert notes == ("the file also reads raw.bin, whole.h5, part0.h5, part1.h5, part2.h5 and 2 more",)


def test_what_cannot_be_copied_becomes_a_note(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", X, labels={"kind": KINDS})
    with h5py.File(path, "r+") as file:
        file["labels/archive"] = h5py.ExternalLink("moved.h5", "/x")
        file["labels/private"] = h5py.ExternalLink("/etc/passwd", "/x")
        file["metadata/dangling"] = h5py.SoftLink("/nowhere")
        file["metadata/self"] = h5py.SoftLink("/metadata")
        file["metadata"].create_dataset("secret", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    notes = copied(path, tmp_path / "away/copy.h5")
    with h5py.File(tmp_path / "away/copy.h5") as file:
        assert list(file["labels"]) == ["kind"]
        assert list(file["metadata"]) == []
    assert b"passwd" not in (tmp_path / "away/copy.h5").read_bytes()
    names = [note.split()[0] for note in notes]
    assert names == ["labels/archive", "labels/private", "metadata/dangling", "metadata/secret", "metadata/self"]
    assert all("was not copied" in note and "\n" not in note for note in notes)


def test_objects_with_several_links_are_copied_once(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", X)
    with h5py.File(path, "r+") as file:
        level = file.create_group("metadata")
        for _ in range(25):  # 2^25 paths lead to the value
            following = level.create_group("a")
            level["b"] = following
            level = following
        level["value"] = np.arange(5)
    assert copied(path, tmp_path / "copy.h5") == ()
    with h5py.File(tmp_path / "copy.h5") as file:
        assert file["metadata" + "/a/b" * 12 + "/b/value"][:].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("fillvalue", [None, 7])
def test_labels_that_were_never_written_are_noted(tmp_path: Path, fillvalue: int | None) -> None:
    path = write_table(tmp_path / "t.h5", X)
    with h5py.File(path, "r+") as file:
        file.create_dataset("labels/kind", (40,), "i4", chunks=(10,), fillvalue=fillvalue)[:30] = 1
        file.create_dataset("labels/nothing", (40,), "i4")
    notes = copied(path, tmp_path / "copy.h5")
    assert notes[0] == (
        f"/labels/kind: rows 30-39 contain 10 cells that were never written; these cells are read as {fillvalue or 0}"
    )
    assert "labels/nothing was not copied" in notes[1]
    assert len(notes) == 2
    with h5py.File(tmp_path / "copy.h5") as file:
        assert file["labels/kind"][:].tolist() == [1] * 30 + [fillvalue or 0] * 10
        assert list(file["labels"]) == ["kind"]


def test_references_to_other_objects_are_not_copied(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", X, labels={"kind": np.arange(40)})
    with h5py.File(path, "r+") as file:
        file["labels/kind"].make_scale("kind")
        file["labels/kind"].attrs["unit"] = "m"
        file["parameters/p"] = np.arange(40)
        file["parameters/p"].dims[0].attach_scale(file["labels/kind"])
        file["labels/links"] = np.array([file["labels/kind"].ref] * 40, dtype=h5py.ref_dtype)
        assert "REFERENCE_LIST" in file["labels/kind"].attrs
    notes = copied(path, tmp_path / "copy.h5")
    with h5py.File(tmp_path / "copy.h5") as file:
        assert sorted(file["labels/kind"].attrs) == ["CLASS", "NAME", "unit"]
        assert list(file["parameters/p"].attrs) == []
        assert list(file["labels"]) == ["kind"]
    assert len(notes) == 1
    assert "labels/links was not copied" in notes[0]
    assert "contains references to other objects" in notes[0]
