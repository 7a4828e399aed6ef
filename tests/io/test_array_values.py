"""Values in memory: hidden, missing and unusual cells, and objects that fail."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import ml_dtypes
import numpy as np
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
HIDDEN = np.zeros(X.shape, dtype=bool)
HIDDEN[2, 1] = HIDDEN[4, 3] = True
HOLES = np.where(HIDDEN, np.float32(np.nan), X)
FILLED = np.where(HIDDEN, np.float32(-9999), X)


@pytest.mark.parametrize(
    "given",
    [
        list(np.ma.array(FILLED, mask=HIDDEN)),
        [list(row) for row in np.ma.array(FILLED, mask=HIDDEN)],
        np.ma.array(np.where(HIDDEN, "--", FILLED.astype(object)), mask=HIDDEN),
        np.ma.array(FILLED.astype(object), mask=HIDDEN),
        [[None if np.isnan(cell) else cell for cell in row] for row in HOLES],
        xarray.DataArray(FILLED, attrs={"_FillValue": -9999.0}),
        xarray.DataArray(FILLED, attrs={"missing_value": np.array([-9999.0, 1e20])}),
        xarray.DataArray(FILLED, dims=("r", "f"), coords={"f": NAMES}, attrs={"_FillValue": np.float32(-9999)}),
        {name: xarray.DataArray(FILLED[:, j], attrs={"_FillValue": -9999}) for j, name in enumerate(NAMES)},
        [xarray.Variable("f", row, attrs={"_FillValue": -9999}) for row in FILLED],
        pyarrow.table({n: pyarrow.array(X[:, j], mask=HIDDEN[:, j]) for j, n in enumerate(NAMES)}).to_batches()[0],
    ],
    ids=[
        *("masked rows", "masked cells", "masked text", "masked objects", "None", "_FillValue", "missing_value"),
        *("names", "columns", "variables", "record batch"),
    ],
)
def test_hidden_cells_of_every_object_are_nan(given: Any) -> None:
    np.testing.assert_array_equal(feature_values(given)[0], HOLES)


def test_an_open_hdf5_dataset_is_read_like_its_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "open.h5", "w") as file:
        filled = file.create_dataset("filled", data=FILLED)
        filled.attrs["_FillValue"] = -9999.0
        np.testing.assert_array_equal(feature_values(filled)[0], HOLES)
        columns = {name: file.create_dataset(name, data=FILLED[:, j]) for j, name in enumerate(NAMES)}
        for column in columns.values():
            column.attrs["missing_value"] = -9999.0
        np.testing.assert_array_equal(feature_values(columns, NAMES)[0], HOLES)
        unwritten = file.create_dataset("unwritten", shape=X.shape, chunks=(2, 4), dtype="f4")
        unwritten[:4] = X[:4]
        np.testing.assert_array_equal(feature_values(unwritten)[0], np.r_[X[:4], np.full((2, 4), np.nan)])
        named = file.create_dataset("group/features", data=X[:, ::-1])
        file["group/feature_names"] = NAMES[::-1]
        np.testing.assert_array_equal(feature_values(named, NAMES)[0], X)
        with pytest.raises(DataError, match="1 of 2 columns are missing: z"):
            feature_values(named, ["a", "z"])
        file["group/other"] = X[:, :3]
        with pytest.raises(DataError, match="4 feature_names; expected one for each column of shape"):
            feature_values(file["group/other"], NAMES)
        layout = h5py.VirtualLayout(X.shape, "f4")
        layout[:] = h5py.VirtualSource("gone.h5", "x", X.shape)
        with pytest.raises(DataError, match="reads other files; pass the path of the file"):
            feature_values(file.create_virtual_dataset("virtual", layout))
    with pytest.raises(DataError, match="a dataset of a closed HDF5 file"):
        feature_values(filled)


class OnDisk(SimpleNamespace):
    """The sparse matrix of an ``anndata.AnnData`` that is backed by a file."""

    def to_memory(self) -> Any:
        return self.matrix


SHORT = X.astype(ml_dtypes.bfloat16)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SHORT, SHORT.astype(np.float32)),
        (X.astype(ml_dtypes.float8_e5m2), X.astype(ml_dtypes.float8_e5m2).astype(np.float32)),
        ([torch.from_numpy(row).bfloat16() for row in X], SHORT.astype(np.float32)),
        ([torch.from_numpy(row).requires_grad_() for row in X], X),
        ([[torch.tensor(cell, requires_grad=True) for cell in row] for row in X], X),
        (SimpleNamespace(X=OnDisk(matrix=scipy.sparse.csr_matrix(X)), var_names=NAMES), X),
        ([scipy.sparse.csr_matrix(X)], X[None]),
        (
            polars.DataFrame({"a": [1, 2**40], "b": [3, 4]}, schema={"a": polars.Int128, "b": polars.Int8}),
            [[1, 3], [2**40, 4]],
        ),
    ],
    ids=["bfloat16", "float8", "short tensors", "tensors", "cells", "backed", "sparse", "Int128"],
)
def test_numbers_of_other_libraries_are_read(given: Any, expected: Any) -> None:
    np.testing.assert_array_equal(feature_values(given)[0], expected)


class Failing:
    def __float__(self) -> float:
        raise KeyError("two\nlines")


class FailingArray:
    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise KeyError("two\nlines")


class FailingSeries(dict[str, Any]):
    def values(self) -> Any:
        return [FailingArray()] * 2


ENDLESS: list[Any] = [1.0]
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.array([[10**400, 1], [1, 1]], dtype=object), "features contain integers that are too large"),
        ([[10**400, 1], [1, 1]], "features contain integers that are too large"),
        ([[Failing()] * 4], "objects of type Failing that are no numbers: KeyError"),
        (FailingArray(), "features are of type FailingArray that cannot be converted to an array: KeyError"),
        ([FailingArray()], "features are of type FailingArray that cannot be converted"),
        (FailingSeries(a=1, b=2), "column 'a' is of type FailingArray that cannot be converted"),
        (SimpleNamespace(X=None, var_names=NAMES), "without a matrix X"),
        (ENDLESS, "nested too deeply"),
        ([torch.zeros(3), torch.zeros(2)], "features contain rows of different lengths"),
        (np.zeros((2, 2), dtype="V8"), "features contain records"),
        (polars.DataFrame({"a": [{"x": 1.0}] * 2, "b": [1.0] * 2}), "column 'a' contains objects of type Struct"),
        (polars.DataFrame({"a": X[:2]}, schema={"a": polars.Array(polars.Float32, 4)}), "of type Array"),
        (pyarrow.table({"a": [{"x": 1.0}] * 2, "b": [1.0] * 2}), "column 'a' contains objects of type dict"),
    ],
)
def test_values_that_fail_or_are_no_numbers_are_an_error_of_one_line(given: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        feature_values(given)
    assert "\n" not in str(error.value)
