"""Layout of a token file."""

import numpy as np
import pytest

from spinlock.io.token_layout import TokenColumns, index_dtype


def test_columns_are_in_the_order_of_categories_and_levels() -> None:
    columns = TokenColumns.from_codebook_sizes({"b": (8, 4, 2), "a": (16, 16, 3)})
    assert columns.names == ("b.L0", "b.L1", "b.L2", "a.L0", "a.L1", "a.L2")
    assert columns.codebook_size == (8, 4, 2, 16, 16, 3)
    assert len(columns) == 6


@pytest.mark.parametrize(("largest", "dtype"), [(2, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")])
def test_index_dtype_is_the_smallest_unsigned_type(largest: int, dtype: str) -> None:
    assert index_dtype([2, largest]) == np.dtype(dtype)
