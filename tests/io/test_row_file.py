"""Chunks and attributes of files that are written in blocks."""

import os
from pathlib import Path

import h5py

from spinlock.io.operators import OperatorFile
from spinlock.io.row_file import chunk_shape


def test_chunks_hold_whole_operators_if_they_fit() -> None:
    assert chunk_shape((10**6,), 64) == (4096,)
    assert chunk_shape((100,), 64) == (100,)
    assert chunk_shape((10**6, 10), 64) == (409, 10)
    assert chunk_shape((10**6, 10**5), 64) == (1, 4096)
    assert chunk_shape((10,), 10**9) == (1,)


def test_bytes_that_are_not_utf8_are_escaped_in_attributes(tmp_path: Path) -> None:
    attributes = {"command_line": os.fsdecode(b"generate --output \xff.h5"), "scale": 2.0}
    with OperatorFile(tmp_path / "file.h5", 0, {}, attributes=attributes):
        pass
    with h5py.File(tmp_path / "file.h5") as file:
        assert file.attrs["command_line"] == r"generate --output \udcff.h5"
        assert file.attrs["scale"] == 2.0
