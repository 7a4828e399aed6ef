"""Features in memory: every kind of frame, labeled array, sparse matrix and tensor, by name, and what is refused."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import scipy.sparse
import torch
import xarray

from spinlock.errors import DataError
from spinlock.io.arrays import feature_values

NAMES = ["a", "b", "c", "d"]
X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


@dataclass
class AnnotatedMatrix:
    """What ``anndata.AnnData`` shows of itself."""

    X: Any
    var_names: list[str]


def columns(names: list[str]) -> dict[str, Any]:
    return {name: X[:, NAMES.index(name)] if name in NAMES else [f"run {i}" for i in range(6)] for name in names}


FRAMES = {
    "pandas": lambda names: pandas.DataFrame(columns(names)),
    "pandas arrow": lambda names: pandas.DataFrame(columns(names)).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda names: polars.DataFrame(columns(names)),
    "polars lazy": lambda names: polars.LazyFrame(columns(names)),
    "pyarrow": lambda names: pyarrow.table(columns(names)),
    "mapping": columns,
    "records": lambda names: np.rec.fromarrays(list(columns(names).values()), names=names),
}
LABELED = {
    "xarray": lambda names: xarray.DataArray(
        X[:, [NAMES.index(name) for name in names]], dims=("run", "feature"), coords={"feature": names}
    ),
    "AnnData": lambda names: AnnotatedMatrix(X[:, [NAMES.index(name) for name in names]], names),
    "sparse AnnData": lambda names: AnnotatedMatrix(
        scipy.sparse.csr_matrix(X[:, [NAMES.index(name) for name in names]]), names
    ),
}


@pytest.mark.parametrize("kind", FRAMES | LABELED)
def test_columns_are_matched_by_name(kind: str) -> None:
    make = (FRAMES | LABELED)[kind]
    for names in (NAMES, NAMES[::-1], ["c", "a", "d", "b"]):
        values, found = feature_values(make(names), NAMES)
        np.testing.assert_array_equal(values, X)
        assert found == NAMES
    values, found = feature_values(make(["c", "a"]))
    np.testing.assert_array_equal(values, X[:, [2, 0]])
    assert found == ["c", "a"]
    with pytest.raises(DataError, match="1 of 4 columns are missing: b"):
        feature_values(make(["c", "a", "d"]), NAMES)


@pytest.mark.parametrize("kind", FRAMES)
def test_an_extra_column_of_text_is_ignored_by_name_and_an_error_without_names(kind: str) -> None:
    frame = FRAMES[kind](["id", *NAMES])
    np.testing.assert_array_equal(feature_values(frame, NAMES)[0], X)
    with pytest.raises(DataError, match=r"column 'id' contains text.*remove or convert the column"):
        feature_values(frame)


def test_repeated_columns_are_named() -> None:
    frame = pandas.concat([pandas.DataFrame(X, columns=NAMES), pandas.DataFrame({"b": np.zeros(6), "z": 1})], axis=1)
    for expected in (NAMES, None):
        with pytest.raises(DataError, match="column names repeat: b; expected each name once"):
            feature_values(frame, expected)
    np.testing.assert_array_equal(feature_values(frame, ["a", "c"])[0], X[:, [0, 2]])


@pytest.mark.parametrize(
    "missing",
    [
        lambda x: pandas.DataFrame(x, columns=NAMES).convert_dtypes(),
        lambda x: pandas.DataFrame(x, columns=NAMES).astype(object).where(~np.isnan(x), pandas.NA),
        lambda x: pandas.DataFrame(x, columns=NAMES).astype(object).where(~np.isnan(x), None),
        lambda x: polars.DataFrame(x, schema=NAMES).fill_nan(None),
        lambda x: pyarrow.table({n: pyarrow.array(x[:, j], mask=np.isnan(x[:, j])) for j, n in enumerate(NAMES)}),
        lambda x: np.ma.masked_array(np.where(np.isnan(x), -9999, x), np.isnan(x)),
        lambda x: {n: np.ma.masked_array(np.nan_to_num(x[:, j]), np.isnan(x[:, j])) for j, n in enumerate(NAMES)},
    ],
    ids=["pandas", "pandas NA", "None", "polars", "pyarrow", "masked", "masked columns"],
)
def test_hidden_and_missing_cells_are_nan(missing: Any) -> None:
    x = X.copy()
    x[2, 1] = x[4, 3] = np.nan
    np.testing.assert_array_equal(np.isnan(feature_values(missing(x))[0]), np.isnan(x))
    np.testing.assert_array_equal(np.nan_to_num(feature_values(missing(x))[0]), np.nan_to_num(x))


def test_masked_integers_are_missing() -> None:
    masked = np.ma.masked_array([[1, -9999], [3, 4]], [[False, True], [False, False]])
    np.testing.assert_array_equal(feature_values(masked)[0], [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    "given",
    [
        scipy.sparse.csr_matrix(X),
        scipy.sparse.coo_array(X),
        torch.from_numpy(X).to_sparse(),
        torch._neg_view(torch.from_numpy(-X)),
        torch.from_numpy(X).requires_grad_(),
        xarray.DataArray(X, dims=("run", "feature")),
        X.tolist(),
    ],
    ids=["csr", "coo", "torch sparse", "torch negated", "torch gradient", "xarray without names", "lists"],
)
def test_arrays_of_every_kind_have_the_same_values_and_no_names(given: Any) -> None:
    values, names = feature_values(given)
    np.testing.assert_array_equal(values, X)
    assert names is None


def test_three_dimensions_keep_their_names() -> None:
    rows = X.reshape(3, 2, 4)
    labeled = xarray.DataArray(rows[..., ::-1], dims=("run", "step", "feature"), coords={"feature": NAMES[::-1]})
    np.testing.assert_array_equal(feature_values(labeled, NAMES)[0], rows)


def test_digits_beyond_float32_are_kept() -> None:
    x = 1e9 + np.random.default_rng(0).standard_normal((6, 4))
    for given in (x, torch.from_numpy(x), pandas.DataFrame(x), polars.DataFrame(x), x.tolist()):
        np.testing.assert_array_equal(feature_values(given)[0], x)
    assert feature_values(X)[0].dtype == feature_values(X.astype(np.float16))[0].dtype == np.float32
    assert feature_values(torch.from_numpy(X).to(torch.float8_e4m3fn))[0].dtype == np.float32


DAYS = [date(2026, 1, 1) + timedelta(days=i) for i in range(6)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (X.astype("M8[s]"), "features contain dates"),
        (X.astype("m8[s]"), "features contain durations"),
        (X.astype("S4"), "features contain bytes"),
        (X.astype(str), "features contain text"),
        (X.astype(complex), "features contain complex numbers"),
        (torch.from_numpy(X).to(torch.complex64), "features contain complex numbers"),
        (torch.empty((6, 4), device="meta"), "features are a tensor of torch.float32 that cannot be read"),
        ([[1.0] * 4, [1.0] * 3], "features contain rows of different lengths"),
        (object(), "features contain objects of type object"),
        (None, r"features have 0 dimensions|features contain"),
        (X[0], "features have 1 dimensions"),
        (pandas.DataFrame({"a": DAYS, "b": 1.0}), "column 'a' contains objects of type date"),
        (polars.DataFrame({"a": DAYS, "b": [1.0] * 6}), "column 'a' contains dates"),
        (pyarrow.table({"a": pyarrow.array(DAYS), "b": [1.0] * 6}), "column 'a' contains dates"),
        (pandas.DataFrame({"a": [timedelta(1)] * 6, "b": 1.0}), "column 'a' contains durations"),
        (
            polars.DataFrame({"a": [b"x"] * 6, "b": ["y"] * 6}),
            "column 'a' contains bytes; 2 columns are not",
        ),
        (polars.DataFrame({"a": [[1.0]] * 6, "b": [1.0] * 6}), "column 'a' contains objects of type"),
        (pandas.DataFrame({"a": pandas.Categorical(["x"] * 6)}), "column 'a' contains text"),
        ({"a": [1.0, 2.0], "b": [1.0]}, "the columns have different lengths"),
        ({}, "features have no columns"),
        (xarray.Dataset({"a": ("run", X[:, 0])}), "features are a Dataset of 1 variables; expected one table"),
    ],
)
def test_what_is_not_a_table_of_numbers_is_called_by_its_name(given: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        feature_values(given)
    assert "\n" not in str(error.value)
