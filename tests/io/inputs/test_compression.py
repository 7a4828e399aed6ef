"""Filters that are not installed, and chunks that inflate to more than they declare."""

import tracemalloc
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.inputs import compression
from tests.io.inputs.files import TABLE, X
from tests.tables import write_table

ZSTD = 32015


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught, open_features(path) as source:
        source.read_all()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_filtered(path: Path, filters: list[int], chunk: bytes, mask: int = 0, dtype: str = "f4") -> Path:
    """Write a table of one chunk with the given filters and stored bytes."""
    with h5py.File(path, "w") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(X.shape)
        for number in filters:
            settings.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (3,))
        group = file.create_group("features/sdf/aggregated")
        kind, space = h5py.h5t.py_create(np.dtype(dtype)), h5py.h5s.create_simple(X.shape)
        made = h5py.h5d.create(group.id, b"features", kind, space, settings)
        made.write_direct_chunk((0, 0), chunk, mask)
    return path


@pytest.mark.parametrize(("number", "name"), [(ZSTD, " (zstd)"), (32001, " (blosc)"), (32004, " (lz4)"), (499, "")])
def test_a_filter_that_is_not_installed_is_named(tmp_path: Path, number: int, name: str) -> None:
    message = refusal(write_filtered(tmp_path / "t.h5", [number], b"stored" * 9))
    assert f"is compressed by the HDF5 filter {number}{name}, which is not installed; install its plugin" in message
    assert "h5repack" in message


def test_a_filter_that_no_chunk_uses_is_not_needed(tmp_path: Path) -> None:
    path = write_filtered(tmp_path / "t.h5", [ZSTD], X.tobytes(), mask=1)
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read_all(), X)


def test_two_compressing_filters_are_refused(tmp_path: Path) -> None:
    deflate = h5py.h5z.FILTER_DEFLATE
    message = refusal(write_filtered(tmp_path / "t.h5", [deflate, deflate], zlib.compress(zlib.compress(bytes(960)))))
    assert "is compressed twice, by gzip and gzip" in message


@pytest.mark.parametrize("trusted", [2**19, 10])
def test_chunks_that_inflate_to_more_than_they_declare_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: int
) -> None:
    monkeypatch.setattr(compression, "TRUSTED_BYTES", {h5py.h5z.FILTER_DEFLATE: trusted})
    size = 10**7 if trusted == 2**19 else 10**6  # stores about a thousandth, above and below the declared 960 bytes
    bomb = zlib.compress(bytes(size), 9)
    path = write_filtered(tmp_path / "t.h5", [h5py.h5z.FILTER_DEFLATE], bomb)
    tracemalloc.start()
    message = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()
    assert f"stores {len(bomb)} bytes in the chunk at (0, 0), which inflate to more than the 960 bytes" in message


def test_large_chunks_that_declare_what_they_contain_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "TRUSTED_BYTES", {h5py.h5z.FILTER_DEFLATE: 10})
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(TABLE, data=X, chunks=(16, 4), compression="gzip", shuffle=True, fletcher32=True)
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(5, 30), X[5:30])
        np.testing.assert_array_equal(source.read_all(), X)


def test_compressed_chunks_of_a_gigabyte_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        table = file.create_dataset(TABLE, (2**20, 256), "f4", chunks=(2**20, 256), compression="gzip")
        table.id.write_direct_chunk((0, 0), zlib.compress(bytes(100)))
    assert "has compressed chunks of 1.1 GB" in refusal(tmp_path / "t.h5")


@pytest.mark.parametrize("filters", ["gzip", "lzf"])
def test_usual_compression_is_read(tmp_path: Path, filters: str) -> None:
    with open_features(write_table(tmp_path / "t.h5", X, chunks=(10, 6), compression=filters)) as source:
        np.testing.assert_array_equal(source.read_all(), X)
