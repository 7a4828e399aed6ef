"""Reading of feature tables: shapes, blocks, types, names, and refused files."""

import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features
from tests.io.inputs.files import refusal
from tests.tables import write_table


@pytest.fixture
def table(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((50, 4)).astype(np.float32)


def test_an_aggregated_table_survives_a_round_trip(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table, names=["a", "b", "c", "größe"])
    with open_features(path) as source:
        assert source.names == ("a", "b", "c", "größe")
        assert (source.shape, source.num_operators, source.rows_per_operator, source.num_rows) == (
            (50, 4),
            50,
            1,
            50,
        )
        assert np.array_equal(source.read_all(), table)
        assert source.read(40, 60).shape == (10, 4)


@pytest.mark.parametrize("feature_type", ["per_trajectory", "per_timestep"])
def test_three_dimensional_tables_are_read_as_flattened_rows(
    tmp_path: Path, rng: np.random.Generator, feature_type: str
) -> None:
    x = rng.standard_normal((6, 5, 3)).astype(np.float32)
    path = write_table(tmp_path / "a.h5", x, feature_type=feature_type, family="other", chunks=(4, 2, 2))
    with open_features(path, family="other", feature_type=feature_type) as source:
        assert (source.num_operators, source.rows_per_operator, source.num_rows) == (6, 5, 30)
        assert np.array_equal(source.read(3, 17), x.reshape(30, 3)[3:17])
        blocks = dict(source.blocks(7))
        assert list(blocks) == [0, 7, 14, 21, 28]
        assert np.array_equal(np.concatenate(list(blocks.values())), x.reshape(30, 3))


@pytest.mark.parametrize("chunks", [None, (1, 4), (7, 3), (50, 1), (50, 4)])
@pytest.mark.parametrize("size", [1, 6, 7, 49, 50, 1000])
def test_blocks_and_hash_do_not_depend_on_chunking(
    tmp_path: Path, table: np.ndarray, chunks: tuple[int, int] | None, size: int
) -> None:
    with open_features(write_table(tmp_path / "a.h5", table, chunks=chunks)) as source:
        starts, blocks = zip(*source.blocks(size), strict=True)
        assert list(starts) == list(range(0, 50, size))
        assert np.array_equal(np.concatenate(blocks), table)
        assert source.sha256() == hashlib.sha256(table.astype("<f4").tobytes()).hexdigest()


def test_blocks_stay_within_the_byte_budget_for_tall_chunks(
    tmp_path: Path, table: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spinlock.io.features.MAX_READ_BYTES", 4 * 4 * 10)
    with open_features(write_table(tmp_path / "a.h5", table, chunks=(50, 1))) as source:
        assert source.chunk_aligned_rows(1024) == 10
        assert np.array_equal(np.concatenate([rows for _, rows in source.blocks(8)]), table)


def test_peak_memory_of_streaming_does_not_grow_with_the_table(tmp_path: Path) -> None:
    peaks = []
    for rows in (20_000, 80_000):
        path = write_table(tmp_path / f"{rows}.h5", np.zeros((rows, 20), np.float32), chunks=(1000, 20))
        with open_features(path) as source:
            tracemalloc.start()
            source.sha256()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("dtype", ["f8", ">f4", "f2", "i8", "u1", "?"])
def test_real_numbers_of_any_type_are_read(tmp_path: Path, dtype: str) -> None:
    x = np.array([[0, 1], [1, 1]]).astype(dtype)
    with open_features(write_table(tmp_path / "a.h5", x)) as source:
        read = source.read_all()
    assert read.dtype == (np.float64 if dtype in ("f8", "i8") else np.float32)
    assert np.array_equal(read, [[0, 1], [1, 1]])


def test_values_beyond_float32_become_infinite_without_a_warning(tmp_path: Path) -> None:
    x = np.array([[1e300, -1e300, 1e-300, np.nan, 3e38]])
    with open_features(write_table(tmp_path / "a.h5", x)) as source:
        assert np.array_equal(source.read_all(), np.array([[np.inf, -np.inf, 0, np.nan, 3e38]]), equal_nan=True)


@pytest.mark.parametrize("names_as", ["dataset", "attribute", "table_attribute"])
@pytest.mark.parametrize("names", [["x", "y", "z", "ü"], [b"x", b"y", b"z", "ü".encode()]])
def test_names_are_read_from_a_dataset_or_an_attribute(
    tmp_path: Path, table: np.ndarray, names: list, names_as: str
) -> None:
    with open_features(write_table(tmp_path / "a.h5", table, names=names, names_as=names_as)) as source:
        assert source.names == ("x", "y", "z", "ü")


def test_columns_without_names_are_numbered(tmp_path: Path, table: np.ndarray) -> None:
    with open_features(write_table(tmp_path / "a.h5", table)) as source:
        assert source.names == ("feature_0", "feature_1", "feature_2", "feature_3")


@pytest.mark.parametrize("names_as", ["dataset", "attribute"])
def test_repeated_missing_or_undecodable_names_are_refused(tmp_path: Path, table: np.ndarray, names_as: str) -> None:
    def write_names(names: list) -> Path:
        return write_table(tmp_path / "a.h5", table, names=names, names_as=names_as)

    assert "column names repeat: b, a" in refusal(write_names(["b", "a", "b", "a"]))
    assert "3 feature_names; expected one for each of 4 columns" in refusal(write_names(["a", "b", "c"]))
    assert "feature_names[1] is not UTF-8" in refusal(write_names([b"a", b"\xff\xfe", b"c", b"d"]))


def test_names_with_nul_characters_are_refused(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    with h5py.File(path, "a") as file:
        file["features/sdf/aggregated/feature_names"] = np.array([b"a", b"b\0c", b"d", b"e"])
    assert r"feature_names[1] is 'b\x00c'; expected text without NUL" in refusal(path)


def test_names_that_are_not_a_dataset_of_text_are_refused(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    with h5py.File(path, "a") as file:
        file["features/sdf/aggregated/feature_names"] = np.arange(4)
    assert "feature_names[0] is 0; expected text" in refusal(path)
    with h5py.File(path, "a") as file:
        del file["features/sdf/aggregated/feature_names"]
        file.create_group("features/sdf/aggregated/feature_names")
    assert "feature_names is a group" in refusal(path)


def test_names_of_variable_length_that_are_not_utf8_are_refused(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    with h5py.File(path, "a") as file:
        group = file["features/sdf/aggregated"]
        group.create_dataset("feature_names", data=[b"a", b"\xff", b"c", b"d"], dtype=h5py.string_dtype())
    assert "feature_names[1] is not UTF-8" in refusal(path)


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path, table: np.ndarray) -> None:
    assert "no such file" in refusal(tmp_path / "absent.h5")
    assert "is a directory" in refusal(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.h5").write_bytes(b"")
    assert "is not an HDF5 file" in refusal(tmp_path / "text.h5")
    assert "is not an HDF5 file" in refusal(tmp_path / "empty.h5")
    whole = write_table(tmp_path / "whole.h5", table).read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refusal(tmp_path / "cut.h5")


def test_damaged_chunks_are_a_read_error(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table, chunks=(50, 4), compression="gzip")
    with h5py.File(path, "r") as file:
        chunk = file["features/sdf/aggregated/features"].id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + 10)
        raw.write(b"\0" * 100)
    with open_features(path) as source, pytest.raises(DataError, match=r"a\.h5: cannot be read: .*"):
        source.read_all()


def test_a_file_that_another_process_writes_is_refused_as_locked(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    hold = f"import h5py; f = h5py.File({str(path)!r}, 'a'); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        message = refusal(path)
        writer.communicate("\n")
    assert "locked by another process that writes it, or its file system has no locks" in message
    assert "HDF5_USE_FILE_LOCKING=FALSE" in message


def test_a_missing_group_is_an_error_that_names_the_existing_groups(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    message = refusal(path, family="nope")
    assert "no group /features/nope; expected one of the existing groups: sdf; set family (feature_family" in message
    message = refusal(path, feature_type="per_timestep")
    assert "no group /features/sdf/per_timestep; expected one of the existing groups: aggregated" in message
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["other"] = 1
    assert "no group /features; expected /features/<family>/<type>" in refusal(tmp_path / "b.h5")
    with h5py.File(path, "a") as file:
        file.move("features/sdf/aggregated/features", "features/sdf/aggregated/values")
    assert "no dataset 'features'; expected a dataset of this name; the group contains values" in refusal(path)


@pytest.mark.parametrize(
    ("x", "feature_type", "message"),
    [
        (np.zeros((3, 4, 5)), "aggregated", r"shape (3, 4, 5); expected [N, D] for aggregated"),
        (np.zeros((3, 4)), "per_timestep", r"shape (3, 4); expected [N, T, D] for per_timestep"),
        (np.zeros((3, 4)), "per_trajectory", r"expected [N, M, D] for per_trajectory"),
        (np.zeros((0, 4)), "aggregated", "shape (0, 4) has no rows"),
        (np.zeros((4, 0)), "aggregated", "shape (4, 0) has no columns"),
        (np.zeros((3, 0, 4)), "per_trajectory", "has no rows"),
        (np.zeros((3, 4), complex), "aggregated", "contains complex numbers; expected real numbers"),
        (np.array([[b"a", b"b"]]), "aggregated", "contains text; expected real numbers"),
        (np.zeros((3, 4), [("a", "f4")]), "aggregated", "contains compound records; expected real numbers"),
        (h5py.Empty("f4"), "aggregated", "shape None; expected [N, D]"),
    ],
)
def test_datasets_of_wrong_shape_or_type_are_refused(
    tmp_path: Path, x: np.ndarray, feature_type: str, message: str
) -> None:
    path = write_table(tmp_path / "a.h5", x, feature_type=feature_type)
    assert message in refusal(path, feature_type=feature_type)


def test_reading_does_not_change_the_file(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    before = path.read_bytes()
    path.chmod(0o444)
    with open_features(path) as source:
        source.sha256()
    assert path.read_bytes() == before
