"""Matching of columns by name, and lists of names in messages."""

import pytest

from spinlock.errors import DataError
from spinlock.io.names import join_names, match_columns


def test_columns_are_matched_by_name_in_any_order() -> None:
    assert match_columns(["x", "c", "a", "b"], ["a", "b", "c"]).tolist() == [2, 3, 1]


def test_up_to_five_missing_columns_are_named() -> None:
    with pytest.raises(DataError, match=r"1 of 2 columns are missing: b; expected"):
        match_columns(["a"], ["a", "b"])
    with pytest.raises(DataError, match=r"8 of 8 columns are missing: c0, c1, c2, c3, c4 and 3 more"):
        match_columns(["a"], [f"c{j}" for j in range(8)])


def test_a_long_list_of_names_is_shortened_to_one_line() -> None:
    assert join_names([]) == "(none)"
    assert join_names(["a", "b"]) == "a, b"
    assert join_names(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert join_names(["two\nlines"]) == "'two\\nlines'"
