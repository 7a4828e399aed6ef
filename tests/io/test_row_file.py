"""Chunks of files that are written in blocks."""

from spinlock.io.row_file import chunk_shape


def test_chunks_hold_whole_operators_if_they_fit() -> None:
    assert chunk_shape((10**6,), 64) == (4096,)
    assert chunk_shape((100,), 64) == (100,)
    assert chunk_shape((10**6, 10), 64) == (409, 10)
    assert chunk_shape((10**6, 10**5), 64) == (1, 4096)
    assert chunk_shape((10,), 10**9) == (1,)
