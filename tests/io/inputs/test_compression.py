"""Filters that are not installed, and chunks that inflate to more than they declare."""

import tracemalloc
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.io.features import open_features
from spinlock.io.inputs import compression
from tests.io.inputs.files import TABLE, X, refusal
from tests.tables import write_table

ZSTD = 32015


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


def test_chunks_of_more_than_twice_their_declared_size_are_refused(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(10**7), 9)
    message = refusal(write_filtered(tmp_path / "t.h5", [h5py.h5z.FILTER_DEFLATE], bomb))
    assert f"stores {len(bomb)} bytes in the chunk at (0, 0), which declares 960" in message


def test_chunks_that_inflate_to_more_than_they_declare_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "TRUSTED_BYTES", {h5py.h5z.FILTER_DEFLATE: 10})
    bomb = zlib.compress(bytes(10**6), 9)  # stores about 960 bytes, as many as are declared
    path = write_filtered(tmp_path / "t.h5", [h5py.h5z.FILTER_DEFLATE], bomb)
    tracemalloc.start()
    message = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()
    assert f"stores {len(bomb)} bytes in the chunk at (0, 0), which inflate to more than the 960 bytes" in message


@pytest.mark.parametrize("name", ["gzip", "lzf"])
def test_large_chunks_that_declare_what_they_contain_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(compression, "TRUSTED_BYTES", dict.fromkeys(compression.TRUSTED_BYTES, 10))
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(TABLE, data=X, chunks=(16, 4), compression=name, shuffle=True, fletcher32=True)
    with open_features(path) as source:
        np.testing.assert_array_equal(source.read(5, 30), X[5:30])
        np.testing.assert_array_equal(source.read_all(), X)


LZF_BOMB = b"\x00a" + b"\xe0\xff\x00" * 100
"""One literal byte, and 100 copies of 264 bytes from the distance 1."""


def test_large_lzf_chunks_that_inflate_to_more_than_they_declare_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "TRUSTED_BYTES", {compression.LZF: 10})
    message = refusal(write_filtered(tmp_path / "t.h5", [compression.LZF], LZF_BOMB))
    assert "stores 302 bytes in the chunk at (0, 0), which inflate to more than the 960 bytes" in message
    message = refusal(write_filtered(tmp_path / "u.h5", [compression.LZF], b"\xe0"))
    assert "cannot be read" in message
    message = refusal(write_filtered(tmp_path / "v.h5", [compression.LZF], bytes(12) + b"\xe0"))
    assert "has a damaged chunk at (0, 0)" in message


def test_the_inflated_size_of_lzf_is_that_of_its_decoder(tmp_path: Path, rng: np.random.Generator) -> None:
    for number in range(20):
        values = rng.integers(0, 2 + number**2, 3000).astype("u1")
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            table = file.create_dataset("x", data=values, chunks=values.shape, compression="lzf")
            mask, content = table.id.read_direct_chunk((0,))
        if mask == 0:  # lzf leaves out a chunk that it cannot make smaller
            assert compression.inflated_lzf(content, 10**6) == len(values)
    assert compression.inflated_lzf(LZF_BOMB, 10**6) == 26_401


def test_a_large_lzf_chunk_is_read(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.integers(0, 2**31, (2**15, 64)).astype("f4")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        table = file.create_dataset(TABLE, data=values, chunks=values.shape, compression="lzf", shuffle=True)
        mask, content = table.id.read_direct_chunk((0, 0))
    assert mask == 0
    assert len(content) > compression.TRUSTED_BYTES[compression.LZF]
    with open_features(tmp_path / "t.h5") as source:
        np.testing.assert_array_equal(source.read_all(), values)


def test_filtered_chunks_of_a_gigabyte_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        table = file.create_dataset(TABLE, (2**20, 256), "f4", chunks=(2**20, 256), compression="gzip")
        table.id.write_direct_chunk((0, 0), zlib.compress(bytes(100)))
    assert "has filtered chunks of 1.1 GB" in refusal(tmp_path / "t.h5")


@pytest.mark.parametrize("filters", ["gzip", "lzf"])
def test_usual_compression_is_read(tmp_path: Path, filters: str) -> None:
    with open_features(write_table(tmp_path / "t.h5", X, chunks=(10, 6), compression=filters)) as source:
        np.testing.assert_array_equal(source.read_all(), X)
