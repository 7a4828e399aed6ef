"""Declared sizes, cells that were never written, types that NumPy lacks, and attributes of missing cells."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.inputs.storage import NETCDF_FILL, NETCDF_INTEGER_FILLS
from tests.io.inputs.files import TABLE, X, refusal
from tests.tables import write_table


def sparse_table(path: Path, chunks: tuple[int, int], **options: Any) -> np.ndarray:
    """Write some chunks of a table of ones, and return which cells were written."""
    with h5py.File(path, "w") as file:
        table = file.create_dataset(TABLE, (100, 7), "f4", chunks=chunks, **options)
        table[:20] = 1
        table[50:, :3] = 1
        written = np.zeros(table.shape, bool)
        for index in range(table.id.get_num_chunks()):
            row, column = table.id.get_chunk_info(index).chunk_offset
            written[row : row + chunks[0], column : column + chunks[1]] = True
    return written


@pytest.mark.parametrize("chunks", [(10, 7), (30, 3), (7, 2), (50, 1)])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("fillvalue", [None, NETCDF_FILL, np.nan])
def test_chunks_that_were_never_written_count_as_missing(
    tmp_path: Path, chunks: tuple[int, int], compression: str | None, fillvalue: float | None
) -> None:
    written = sparse_table(tmp_path / "t.h5", chunks, compression=compression, fillvalue=fillvalue)
    first = int(np.flatnonzero(~written.all(1))[0])
    with open_features(tmp_path / "t.h5") as source:
        rows = source.read_all()
        missing = np.isnan(rows)
        if fillvalue is np.nan:  # so are cells of a written chunk
            written = ~missing
        np.testing.assert_array_equal(missing, ~written)
        np.testing.assert_array_equal(np.isnan(source.read(13, 77)), ~written[13:77])
        assert f"rows {first}-" in source.notes[0]
        assert " cells that were never written; these cells count as missing" in source.notes[0]


@pytest.mark.parametrize("fillvalue", [0, -999.0])
def test_a_fill_value_that_the_author_chose_is_a_value(tmp_path: Path, fillvalue: float) -> None:
    written = sparse_table(tmp_path / "t.h5", (10, 7), fillvalue=fillvalue)
    with open_features(tmp_path / "t.h5") as source:
        assert (source.read_all()[~written] == fillvalue).all()
        meaning = f"were never written; these cells are read as {float(fillvalue)}"
        assert f"contain {(~written).sum()} cells that {meaning}" in source.notes[0]


def test_a_complete_table_has_no_notes(tmp_path: Path) -> None:
    for options in ({}, {"chunks": (7, 2)}, {"chunks": (7, 2), "compression": "gzip"}):
        with open_features(write_table(tmp_path / "t.h5", X, **options)) as source:
            assert source.notes == ()


@pytest.mark.parametrize("chunks", [None, (10, 6)])
def test_a_table_that_was_never_written_is_refused(tmp_path: Path, chunks: tuple[int, int] | None) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset(TABLE, X.shape, "f4", chunks=chunks)
    assert f"{TABLE}: contains no values, because none was ever written" in refusal(tmp_path / "t.h5")


@pytest.mark.parametrize("shape", [(12_500_000_000, 24), (10**9, 1), (2, 10**10)])
def test_a_size_that_the_file_cannot_contain_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset(TABLE, shape, "i1", chunks=(2, min(shape[1], 100)))[:2, :10] = 1
    message = refusal(tmp_path / "t.h5")
    assert f"t.h5:/{TABLE}: declares" in message
    assert "GB of values, shape" in message


def quad_float() -> h5py.h5t.TypeFloatID:
    kind = h5py.h5t.IEEE_F64LE.copy()
    kind.set_size(16)
    kind.set_precision(128)
    kind.set_fields(127, 112, 15, 0, 112)
    kind.set_ebias(16383)
    return kind


def long_integer() -> h5py.h5t.TypeIntegerID:
    kind = h5py.h5t.STD_I64LE.copy()
    kind.set_size(16)
    return kind


@pytest.mark.parametrize("kind", [quad_float, long_integer, lambda: h5py.h5t.UNIX_D32LE], ids=["quad", "int", "time"])
@pytest.mark.parametrize("name", ["features", "feature_names"])
def test_types_that_numpy_lacks_are_refused(tmp_path: Path, kind: Any, name: str) -> None:
    path = write_table(tmp_path / "t.h5", X, [f"c{j}" for j in range(6)])
    with h5py.File(path, "r+") as file:
        group = file["features/sdf/aggregated"]
        del group[name]
        h5py.h5d.create(group.id, name.encode(), kind(), h5py.h5s.create_simple((6,) if "_" in name else X.shape))
    with pytest.raises(DataError, match=r"which NumPy does not have; expected integers of at most 64 bits, floating-"):
        open_features(path)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i8"])
@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value"])
def test_cells_that_equal_a_fill_attribute_are_missing(tmp_path: Path, dtype: str, attribute: str) -> None:
    values = np.arange(240).reshape(40, 6).astype(dtype)
    values[3, 2] = values[20, 5] = -999
    path = write_table(tmp_path / "t.h5", values)
    with h5py.File(path, "r+") as file:
        file[TABLE].attrs[attribute] = np.array([-999], dtype)
    with open_features(path) as source:
        rows = source.read_all()
    assert np.argwhere(np.isnan(rows)).tolist() == [[3, 2], [20, 5]]
    expected = np.where(values == -999, np.nan, values)
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("dtype", NETCDF_INTEGER_FILLS)
@pytest.mark.parametrize("is_default", [True, False])
def test_the_default_of_the_netcdf_library_is_not_a_chosen_fill_value(
    tmp_path: Path, dtype: str, is_default: bool
) -> None:
    fill = NETCDF_INTEGER_FILLS[dtype] - (not is_default)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset(TABLE, (40, 6), dtype, chunks=(10, 6), fillvalue=fill)[:30] = 1
    with open_features(tmp_path / "t.h5") as source:
        assert np.isnan(source.read_all()[30:]).all() == is_default
        meaning = "count as missing" if is_default else f"are read as {fill}"
        assert source.notes[0].endswith(f"cells that were never written; these cells {meaning}")


@pytest.mark.parametrize("value", ["-9999", b"-9999", "-9999.0", ["7000000", "-9999"]])
@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_a_fill_attribute_can_be_text(tmp_path: Path, value: Any, dtype: str) -> None:
    path = write_table(tmp_path / "t.h5", np.where(X > 1, -9999, 3).astype(dtype))
    with h5py.File(path, "r+") as file:
        file[TABLE].attrs["missing_value"] = value
    with open_features(path) as source:
        np.testing.assert_array_equal(np.isnan(source.read_all()), X > 1)


@pytest.mark.parametrize("value", ["none", 1e20, b"\xff", 0.5, np.int64(2**40), str(2**70), np.int8(-1)])
def test_a_fill_attribute_that_the_type_does_not_have_is_noted(tmp_path: Path, value: Any) -> None:
    path = write_table(tmp_path / "t.h5", np.arange(240, dtype="u1").reshape(40, 6))
    with h5py.File(path, "r+") as file:
        file[TABLE].attrs["missing_value"] = value
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read_all(), np.arange(240).reshape(40, 6))
        assert len(source.notes) == 1
        assert source.notes[0].startswith(f"{path}:/{TABLE}: the attribute missing_value is ")
        assert source.notes[0].endswith(", which is not a number of the type uint8, and is ignored")


@pytest.mark.parametrize("value", [np.nan, []])
def test_a_fill_attribute_without_a_number_changes_nothing(tmp_path: Path, value: Any) -> None:
    path = write_table(tmp_path / "t.h5", np.arange(240, dtype="i4").reshape(40, 6))
    with h5py.File(path, "r+") as file:
        file[TABLE].attrs["missing_value"] = value
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read_all(), np.arange(240).reshape(40, 6))


def test_eight_values_of_a_fill_attribute_are_used(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", np.arange(240, dtype="i4").reshape(40, 6))
    with h5py.File(path, "r+") as file:
        file[TABLE].attrs["missing_value"] = np.arange(20, 30)
    with open_features(path) as source:
        assert np.flatnonzero(np.isnan(source.read_all())).tolist() == list(range(20, 28))
        notes = ("8 cells equal one of the fill values 20, 21, 22, 23, 24 and 3 more and count as missing",)
        assert source.notes == notes


def test_a_fill_attribute_that_cannot_be_read_names_file_and_dataset(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", X)
    with h5py.File(path, "r+") as file:
        h5py.h5a.create(file[TABLE].id, b"_FillValue", long_integer(), h5py.h5s.create(h5py.h5s.SCALAR))
    assert f"{path}:/{TABLE}: has an attribute _FillValue that cannot be read" in refusal(path)


def test_a_fill_attribute_of_double_precision_matches_single_precision(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", np.where(X > 1, np.float32(1e20), X))
    with h5py.File(path, "r+") as file:
        file[TABLE].attrs["missing_value"] = 1e20
    with open_features(path) as source:
        np.testing.assert_array_equal(np.isnan(source.read_all()), X > 1)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_fill_attributes_of_all_sources_of_a_virtual_table_count(tmp_path: Path, levels: int) -> None:
    values = np.where(X > 1, np.float32(-9999), X)
    with h5py.File(tmp_path / "level0.h5", "w") as file:
        file["x"] = values
        file["x"].attrs["_FillValue"] = np.float32(-9999)
    for level in range(levels):
        name = "x" if level < levels - 1 else TABLE
        layout = h5py.VirtualLayout(X.shape, "f4")
        layout[:] = h5py.VirtualSource(f"level{level}.h5", "x", X.shape)
        with h5py.File(tmp_path / f"level{level + 1}.h5", "w") as file:
            file.create_virtual_dataset(name, layout)
    with open_features(tmp_path / f"level{levels}.h5") as source:
        np.testing.assert_array_equal(np.isnan(source.read_all()), X > 1)
