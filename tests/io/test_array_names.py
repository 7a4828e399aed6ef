"""Names of columns in memory: wherever an object keeps them, they are matched or the object is refused."""

from collections import namedtuple
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import xarray

from spinlock.errors import DataError
from spinlock.io.arrays import feature_values

NAMES = ["a", "b", "c", "d"]
X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
ORDER = [2, 0, 3, 1]
PERMUTED = [NAMES[j] for j in ORDER]
RUNS = [f"run {i}" for i in range(6)]
Row = namedtuple("Row", PERMUTED)


def labeled(values: np.ndarray, *dims: str, **coords: Any) -> xarray.DataArray:
    return xarray.DataArray(values, dims=dims, coords=coords)


def variables(names: list[str]) -> xarray.Dataset:
    return xarray.Dataset({name: ("run", X[:, NAMES.index(name)]) for name in names})


@pytest.mark.parametrize(
    "given",
    [
        labeled(X[:, ORDER], "run", "f", name=("f", PERMUTED)),
        labeled(X[:, ORDER], "run", "f", f=[10, 11, 12, 13], name=("f", PERMUTED)),
        labeled(X[:, ORDER].T, "f", "run", f=PERMUTED),
        labeled(X[:, ORDER].T, "f", "run", f=PERMUTED, run=np.arange(6)),
        labeled(X[:, ORDER].T, "f", "run", f=PERMUTED, run=RUNS),
        labeled(X[:, ORDER], "run", "f", f=PERMUTED, run=RUNS, kind=("f", ["k", "l", "m", "n"])),
        labeled(np.c_[X, X].T, "f", "run", f=[*NAMES, *"efgh"]),
        variables(PERMUTED).to_array(),
        variables(PERMUTED).to_array().T,
        pyarrow.table(dict(zip(PERMUTED, X.T[ORDER], strict=True))).to_batches()[0],
    ],
    ids=[
        "name",
        "name beside index",
        "first",
        "first, index",
        "first, text",
        "kind",
        "extra",
        "to_array",
        "T",
        "batch",
    ],
)
def test_columns_are_found_by_the_names_of_the_model(given: Any) -> None:
    np.testing.assert_array_equal(feature_values(given, NAMES)[0], X)


@pytest.mark.parametrize(
    "axes", [("run", "step", "f"), ("run", "f", "step"), ("f", "run", "step"), ("f", "step", "run")]
)
def test_columns_of_three_dimensions_are_found_on_every_axis(axes: tuple[str, ...]) -> None:
    rows = np.random.default_rng(1).standard_normal((4, 4, 4)).astype(np.float32)
    given = labeled(rows[..., ORDER], "run", "step", "f", f=PERMUTED, step=[0, 1, 2, 3]).transpose(*axes)
    others = [axis for axis in axes if axis != "f"]
    expected = rows if others == ["run", "step"] else rows.swapaxes(0, 1)
    np.testing.assert_array_equal(feature_values(given, NAMES)[0], expected)


@pytest.mark.parametrize(
    "given",
    [
        labeled(X, "run", "f", run=RUNS),
        labeled(X, "run", "f", run=np.arange(6)),
        labeled(X, "run", "f", w=("f", [1, 1, 2, 3])),
    ],
    ids=["run names", "run numbers", "weights"],
)
def test_labels_that_are_no_names_leave_the_columns_in_their_order(given: Any) -> None:
    np.testing.assert_array_equal(feature_values(given, NAMES)[0], X)


@pytest.mark.parametrize("model", [None, ["0", "1", "2", "3"]], ids=["fit", "encode"])
def test_numbered_columns_are_those_of_the_last_dimension(model: list[str] | None) -> None:
    values, names = feature_values(labeled(X, "run", "f", run=np.arange(6), f=np.arange(4)), model)
    np.testing.assert_array_equal(values, X)
    assert names == ["0", "1", "2", "3"]


def test_without_a_model_the_names_are_text_of_the_last_dimension() -> None:
    for given in (
        labeled(X, "run", "f", f=NAMES, run=RUNS),
        labeled(X, "run", "f", f=[5, 6, 7, 8], name=("f", NAMES), unit=("f", ["m", "m", "s", "s"])),
    ):
        assert feature_values(given)[1] == NAMES


@pytest.mark.parametrize(
    ("given", "expected", "words"),
    [
        (labeled(X[:4], "f", "g", f=NAMES, g=NAMES), NAMES, "the coordinates f, g could all name the columns"),
        (labeled(X, "r", "f", n=("f", NAMES), m=("f", PERMUTED)), NAMES, "the coordinates n, m could all name"),
        (labeled(X, "r", "f", n=("f", NAMES), m=("f", [*"efgh"])), None, "the coordinates n, m could all name"),
        (
            labeled(X.T, "f", "r", f=NAMES),
            None,
            "the dimension f has labels of text, and the last dimension r has none",
        ),
        (labeled(X[:4].T, "f", "r", f=[*"efgh"]), NAMES, "the dimension f has labels of text"),
        (labeled(X.T, "f", "r", f=["a", "b", "c", "e"]), NAMES, "1 of 4 columns are missing: d"),
        (labeled(X, "r", "f", f=[*"efgh"]), NAMES, "4 of 4 columns are missing"),
        ([pandas.Series(row, PERMUTED) for row in X], NAMES, "objects of type Series, whose names would be ignored"),
        ([pandas.DataFrame(X, columns=PERMUTED)] * 2, NAMES, "objects of type DataFrame, whose names"),
        ([polars.DataFrame(X, schema=PERMUTED)] * 2, NAMES, "objects of type DataFrame, whose names"),
        ([labeled(row, "f", f=PERMUTED) for row in X], NAMES, "objects of type DataArray, whose names"),
        ([Row(*row) for row in X.tolist()], NAMES, "objects of type Row, whose names"),
        ([dict(zip(PERMUTED, row, strict=True)) for row in X.tolist()], NAMES, "features contain objects of type dict"),
    ],
)
def test_ambiguous_names_and_names_that_would_be_ignored_are_refused(given: Any, expected: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        feature_values(given, expected)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("make", [lambda table: table, lambda table: table.to_batches()[0]], ids=["table", "batch"])
def test_only_repeated_columns_that_are_used_are_refused(make: Any) -> None:
    given = make(pyarrow.table([*X.T, *X.T[:2]], names=[*NAMES, "id", "id"]))
    np.testing.assert_array_equal(feature_values(given, NAMES)[0], X)
    with pytest.raises(DataError, match="column names repeat: id"):
        feature_values(given)


@pytest.mark.parametrize(
    "change", [lambda lazy: lazy.rename({"b": "a"}), lambda lazy: lazy.select("zzz")], ids=["repeated", "missing"]
)
def test_a_lazy_frame_that_fails_is_an_error_of_one_line(change: Any) -> None:
    with pytest.raises(DataError, match="features are a LazyFrame that cannot be read: ") as error:
        feature_values(change(polars.LazyFrame(X, schema=NAMES)), NAMES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [pandas.Series, lambda values, index: labeled(values, "r", r=list(index))])
def test_columns_with_different_row_labels_are_refused(kind: Any) -> None:
    columns = {name: kind(X[:, j], index=range(6)) for j, name in enumerate(NAMES)}
    np.testing.assert_array_equal(feature_values(columns, NAMES)[0], X)
    with pytest.raises(DataError, match="the row labels of a and of c differ"):
        feature_values(columns | {"c": columns["c"][::-1]}, NAMES)
