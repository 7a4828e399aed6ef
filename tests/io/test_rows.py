"""Ranges of rows of tables with and without an inner axis."""

import numpy as np
import pytest

from spinlock.io.rows import hyperslabs, read_rows, write_rows


@pytest.mark.parametrize("per_operator", [1, 3, 7])
def test_read_rows_equals_a_slice_of_the_flattened_array(per_operator: int) -> None:
    nested = np.arange(5 * per_operator * 2).reshape(5, per_operator, 2)
    flat = nested.reshape(-1, 2)
    for start in range(len(flat) + 1):
        for stop in range(start, len(flat) + 1):
            assert np.array_equal(read_rows(nested, start, stop, per_operator=per_operator), flat[start:stop])
            assert len(list(hyperslabs(start, stop, per_operator))) <= 3


@pytest.mark.parametrize("size", [1, 2, 5, 35])
def test_rows_written_in_blocks_survive_a_round_trip(size: int) -> None:
    flat = np.arange(35 * 2).reshape(35, 2)
    nested = np.zeros((5, 7, 2), dtype=int)
    for start in range(0, 35, size):
        write_rows(nested, start, flat[start : start + size], per_operator=7)
    assert np.array_equal(nested.reshape(35, 2), flat)


def test_tables_without_an_inner_axis_are_sliced_directly() -> None:
    table = np.zeros((4, 2))
    write_rows(table, 1, np.ones((2, 2)), per_operator=None)
    assert np.array_equal(read_rows(table, 0, 4, per_operator=None)[:, 0], [0, 1, 1, 0])
