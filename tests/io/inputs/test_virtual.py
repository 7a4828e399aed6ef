"""Virtual datasets and external storage: missing, moved, short, cyclic and forbidden files are refused or reported."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.io.features import open_features
from spinlock.io.inputs.folders import DATA_ROOTS
from tests.io.inputs.files import TABLE, X, refusal, virtual_table, write_parts, write_virtual


def test_a_virtual_table_is_read_and_its_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = virtual_table(tmp_path)
    monkeypatch.chdir("/")
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read_all(), X)
        assert source.notes == ("the file also reads part0.h5, part1.h5, part2.h5, part3.h5",)


def test_a_missing_part_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = virtual_table(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "part2.h5").rename(tmp_path / "elsewhere/part2.h5")
    monkeypatch.chdir(tmp_path / "elsewhere")  # where HDF5 would find it
    assert "reads the file 'part2.h5', which is missing" in refusal(path)


def test_a_part_without_its_dataset_or_with_fewer_rows_is_refused(tmp_path: Path) -> None:
    path = virtual_table(tmp_path)
    with h5py.File(tmp_path / "part1.h5", "w") as file:
        file["y"] = X[10:20]
    assert "reads 'x' of 'part1.h5', which does not exist" in refusal(path)
    with h5py.File(tmp_path / "part1.h5", "w") as file:
        file["x"] = X[10:15]
    assert "reads x of part1.h5, which has shape (5, 6)" in refusal(path)
    (tmp_path / "part1.h5").write_text("no HDF5")
    assert "part1.h5: is not an HDF5 file" in refusal(path)


@pytest.mark.parametrize("missing", [0, 3])
def test_rows_without_a_source_count_as_missing(tmp_path: Path, missing: int) -> None:
    names = write_parts(tmp_path)
    parts = [(slice(10 * i, 10 * i + 10), name) for i, name in enumerate(names) if i != missing]
    with open_features(write_virtual(tmp_path / "v.h5", parts)) as source:
        rows = source.read_all()
        assert f"rows {10 * missing}-{10 * missing + 9} contain 60 cells that were never" in source.notes[1]
        assert "these cells count as missing" in source.notes[1]
        assert np.isnan(rows[10 * missing : 10 * missing + 10]).all()
        assert np.isfinite(np.delete(rows, range(10 * missing, 10 * missing + 10), 0)).all()


def test_columns_without_a_source_count_as_missing(tmp_path: Path) -> None:
    write_parts(tmp_path)
    source = h5py.VirtualSource("part0.h5", "x", (10, 6))
    path = write_virtual(tmp_path / "v.h5", [(np.s_[:, :2], source[:, 4:])], (10, 6))
    with open_features(path) as table:
        rows = table.read(3, 10)
    np.testing.assert_array_equal(rows[:, :2], X[3:10, 4:])
    assert np.isnan(rows[:, 2:]).all()


def test_rows_that_were_never_written_in_a_part_count_as_missing(tmp_path: Path) -> None:
    write_parts(tmp_path)
    with h5py.File(tmp_path / "hole.h5", "w") as file:
        file.create_dataset("x", (10, 6), "f4", chunks=(5, 6))[:5] = 1
    path = write_virtual(tmp_path / "v.h5", [(np.s_[0::2], "part0.h5"), (np.s_[1::2], "hole.h5")], (20, 6))
    with open_features(path) as source:
        rows = source.read(2, 20)
        assert np.flatnonzero(np.isnan(rows).all(1)).tolist() == [9, 11, 13, 15, 17]
        np.testing.assert_array_equal(rows[::2], X[1:10])


def test_a_fill_value_that_the_author_chose_is_a_value(tmp_path: Path) -> None:
    write_parts(tmp_path)
    path = write_virtual(tmp_path / "v.h5", [(np.s_[:10], "part0.h5")], (12, 6), fillvalue=-1)
    with open_features(path) as source:
        assert (source.read_all()[10:] == -1).all()
        assert "rows 10-11 contain 12 cells that were never written; these cells are read as -1" in source.notes[1]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_virtual_table_that_reads_itself_is_refused(tmp_path: Path, steps: int) -> None:
    names = [f"{step}.h5" for step in range(steps)]
    for step, name in enumerate(names):
        following = "." if steps == 1 else names[(step + 1) % steps]
        source = h5py.VirtualSource(following, TABLE, X.shape)
        write_virtual(tmp_path / name, [(np.s_[:], source)])
    assert "is a virtual dataset that reads itself" in refusal(tmp_path / "0.h5")


@pytest.mark.parametrize("name", ["../secret.h5", "inner/../../secret.h5", "link.h5", "/etc/hostname", "<absolute>"])
def test_files_outside_the_folder_need_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = X[:10]
    (folder / "link.h5").symlink_to(tmp_path / "secret.h5")
    name = str(tmp_path / "secret.h5") if name == "<absolute>" else name
    path = write_virtual(folder / "v.h5", [(np.s_[:], name)], (10, 6))
    message = refusal(path)
    assert f"reads another file, {name!r}" in message
    assert DATA_ROOTS in message
    if name != "/etc/hostname":
        monkeypatch.setenv(DATA_ROOTS, os.pathsep.join(["/nowhere", str(tmp_path)]))
        with open_features(path) as source:
            np.testing.assert_array_equal(source.read_all(), X[:10])


def test_sources_that_are_named_by_a_pattern_are_refused(tmp_path: Path) -> None:
    write_parts(tmp_path)
    endless = h5py.h5s.create_simple((10, 6), (h5py.h5s.UNLIMITED, 6))
    endless.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED, 1), (10, 6), (10, 6))
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_virtual(endless, b"part%b.h5", b"x", h5py.h5s.create_simple((10, 6)))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        group = file.create_group("features/sdf/aggregated")
        space = h5py.h5s.create_simple((10, 6), (h5py.h5s.UNLIMITED, 6))
        h5py.h5d.create(group.id, b"features", h5py.h5t.IEEE_F32LE, space, settings)
    assert "by the pattern 'part%b.h5'" in refusal(tmp_path / "v.h5")


def write_external(path: Path, *segments: tuple[str, int, int], name: str = TABLE) -> Path:
    """Write a table in raw files; the segments are their names, offsets and sizes."""
    with h5py.File(path, "w") as file:
        file.create_dataset(name, X.shape, X.dtype, external=segments)
    return path


def test_raw_files_are_read_from_the_folder_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_external(tmp_path / "e.h5", ("raw.bin", 0, X.nbytes))
    X.tofile(tmp_path / "raw.bin")
    for folder in ("other", "links"):
        (tmp_path / folder).mkdir()
    np.zeros_like(X).tofile(tmp_path / "other/raw.bin")
    monkeypatch.chdir(tmp_path / "other")  # where HDF5 looks for raw files
    link = tmp_path / "links/link.h5"
    link.symlink_to(path)
    for name in (path, link):
        with open_features(name) as source, open_features(name) as again:
            np.testing.assert_array_equal(source.read_all(), X)
            np.testing.assert_array_equal(again.read_all(), X)
            assert source.notes == ("the file also reads raw.bin",)


def test_raw_files_that_are_missing_or_elsewhere_are_refused(tmp_path: Path) -> None:
    path = write_external(tmp_path / "e.h5", ("raw.bin", 0, X.nbytes))
    assert "reads the file 'raw.bin', which is missing" in refusal(path)
    X.tofile(tmp_path / "raw.bin")
    assert "reads another file" in refusal(write_external(tmp_path / "f.h5", (str(tmp_path / "raw.bin"), 0, X.nbytes)))


ENDLESS = h5py.h5f.UNLIMITED


@pytest.mark.parametrize(
    ("segments", "short"),
    [
        ([("a", 0, 960)], "960 bytes of 'a', which has 480"),
        ([("a", 0, ENDLESS)], "960 bytes of 'a', which has 480"),
        ([("a", 8, 480), ("whole", 0, ENDLESS)], "488 bytes of 'a', which has 480"),
        ([("a", 0, 480), ("empty", 0, ENDLESS)], "480 bytes of 'empty', which has 0"),
        ([("a", 0, 480), ("b", 0, 240), ("b", 120, ENDLESS)], "360 bytes of 'b', which has 240"),
        ([("a", 0, 480), ("b", 0, 240), ("b", 0, ENDLESS)], None),
        ([("whole", 0, ENDLESS)], None),
        ([("whole", 0, 4000)], None),
    ],
)
def test_raw_files_have_to_contain_all_values(
    tmp_path: Path, segments: list[tuple[str, int, int]], short: str | None
) -> None:
    content = {"whole": X, "a": X.ravel()[:120], "b": X.ravel()[120:180], "empty": X[:0]}
    for name, values in content.items():
        values.tofile(tmp_path / name)
    path = write_external(tmp_path / "e.h5", *segments)
    if short is not None:
        assert f"reads {short}" in refusal(path)
    else:
        with open_features(path) as source:
            assert np.isfinite(source.read_all()).all()
            np.testing.assert_array_equal(source.read(0, 30), X[:30])


def test_a_virtual_table_of_raw_files_is_refused(tmp_path: Path) -> None:
    X.tofile(tmp_path / "raw.bin")
    write_external(tmp_path / "e.h5", ("raw.bin", 0, ENDLESS), name="x")
    path = write_virtual(tmp_path / "v.h5", [(np.s_[:], h5py.VirtualSource("e.h5", "x", X.shape))])
    assert f"v.h5:/{TABLE}: reads x of e.h5, whose values are in raw files" in refusal(path)
