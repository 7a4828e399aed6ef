"""Rows that stay in their file."""

from pathlib import Path

import numpy as np
import pytest

from spinlock.io.stored_rows import MIN_HELD_ROWS, StoredRows
from tests.tables import write_table


@pytest.fixture
def table(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((400, 5)).astype(np.float32)


@pytest.mark.parametrize("chunks", [None, (7, 5), (400, 1)])
def test_ascending_positions_give_the_rows_of_the_array(
    tmp_path: Path, table: np.ndarray, rng: np.random.Generator, chunks: tuple[int, int] | None
) -> None:
    rows = StoredRows(
        write_table(tmp_path / "a.h5", table, chunks=chunks), family="sdf", feature_type="aggregated", limit=10**6
    )
    assert len(rows) == 400
    for count in (0, 1, 30, 400):
        positions = np.sort(rng.choice(400, count, replace=False))
        assert np.array_equal(rows[positions], table[positions])


def test_the_limit_in_bytes_determines_the_number_of_rows(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table)
    assert StoredRows(path, family="sdf", feature_type="aggregated", limit=4 * 5 * 250).max_rows == 250
    assert StoredRows(path, family="sdf", feature_type="aggregated", limit=1).max_rows == MIN_HELD_ROWS


def test_block_sizes_are_rounded_to_whole_chunks(tmp_path: Path, table: np.ndarray) -> None:
    path = write_table(tmp_path / "a.h5", table, chunks=(16, 5))
    rows = StoredRows(path, family="sdf", feature_type="aggregated", limit=10**6)
    assert [rows.chunk_aligned_rows(size) for size in (1, 16, 50, 64)] == [16, 16, 48, 64]
