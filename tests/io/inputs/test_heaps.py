"""A damaged global heap, on which HDF5 would never end, is refused."""

from pathlib import Path

import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.inputs import heaps
from tests.io.inputs.files import X
from tests.tables import write_table


def test_a_heap_with_free_space_of_size_zero_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.h5", X, [f"column_{j}" for j in range(6)])
    with open_features(path) as source:
        assert source.names[5] == "column_5"
    content = bytearray(path.read_bytes())
    start = content.index(heaps.SIGNATURE)
    content[start + 16 : start + 32] = bytes(16)  # the header of the first text
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged: the heap of variable-length text contains free space of size 0"):
        open_features(path)


def test_values_that_look_like_a_heap_are_read(tmp_path: Path) -> None:
    values = X.copy()
    values.view("u1")[:, :8] = list(heaps.SIGNATURE)
    with open_features(write_table(tmp_path / "t.h5", values)) as source:
        assert source.read_all().tobytes() == values.tobytes()
