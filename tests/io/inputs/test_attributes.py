"""Attributes of a wrong type are an error that says what they are."""

from typing import Any

import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.inputs import attributes


@pytest.mark.parametrize(
    "value", [["x", "y"], [b"x", b"y"], np.array(["x", "y"], object), np.array([b"x", b"y"], "S3")]
)
def test_texts_of_any_kind_are_read(value: Any) -> None:
    assert attributes.texts({"axes": value}, "axes", "f.h5") == ["x", "y"]
    assert attributes.texts({}, "axes", "f.h5") == []


@pytest.mark.parametrize("value", [[1, 2], [b"\xff"], 3.0, [None]])
def test_texts_of_another_type_are_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"f\.h5: attribute axes is \[.*\]; expected UTF-8 text"):
        attributes.texts({"axes": value}, "axes", "f.h5")


def test_flags_have_the_number_of_values_of_their_default() -> None:
    assert attributes.flags({"varies": [1, 0]}, "varies", [True, True], "f.h5") == [True, False]
    assert attributes.flag({}, "varies", True, "f.h5")
    for value in ([True], [1.5, 0], "yes", ["a", "b"]):
        with pytest.raises(DataError, match="expected 2 values that are true or false"):
            attributes.flags({"varies": value}, "varies", [True, True], "f.h5")


@pytest.mark.parametrize("value", [0, -3, 2.0, "two", [1, 2], []])
def test_a_count_is_one_positive_integer(value: Any) -> None:
    assert attributes.positive_integer({"n": np.array([3])}, "n", "f.h5") == 3
    with pytest.raises(DataError, match="expected an integer of at least 1"):
        attributes.positive_integer({"n": value}, "n", "f.h5")


def test_a_count_that_is_missing_is_an_error() -> None:
    with pytest.raises(DataError, match=r"f\.h5: has no attribute n; expected an integer of at least 1"):
        attributes.positive_integer({}, "n", "f.h5")
