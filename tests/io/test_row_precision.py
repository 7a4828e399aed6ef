"""Rows keep the precision of their table until they are centered, and equal rows have equal hashes."""

import hashlib
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from spinlock.io.arrays.row_precision import RowDigest, as_rows, row_dtype
from spinlock.io.feature_table import read_features
from spinlock.io.features import open_features
from spinlock.preprocessing.cleaning import Cleaner
from tests.io.inputs.files import X
from tests.tables import Rules, write_table

OFFSETS = np.array([1.7e9, 101325.0, -4e12, 0.0, 1e15, 3.0])
SCALES = np.array([1.0, 1e-6, 100.0, 1.0, 1.0, 1e-8])
TABLE = np.random.default_rng(0).standard_normal((300, 6))


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f2", "i2", "u1", "?"])
def test_narrow_types_become_float32(dtype: str) -> None:
    assert row_dtype(np.dtype(dtype)) == np.float32


@pytest.mark.parametrize("dtype", ["f8", ">f8", "i4", "u4", "i8", "u8", "g"])
def test_types_with_more_digits_become_float64(dtype: str) -> None:
    assert row_dtype(np.dtype(dtype)) == np.float64


def test_the_range_of_values_is_that_of_float32_in_both_precisions() -> None:
    values = np.array([[1e300, -1e39, 1e-60, np.nan, 3e38, -np.inf, 0.1]])
    single, double = (as_rows(values, np.dtype(kind)) for kind in ("f4", "f8"))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double.astype(np.float32))
    np.testing.assert_array_equal(np.isinf(double[0]), [True, True, False, False, False, True, False])
    assert double[0, 2] == 0
    assert double[0, 6] == 0.1


@pytest.mark.parametrize("streamed", [False, True])
def test_columns_that_vary_on_top_of_an_offset_are_cleaned_as_without_it(tmp_path: Path, streamed: bool) -> None:
    names = [f"c{j}" for j in range(6)]
    path = write_table(tmp_path / "t.h5", OFFSETS + SCALES * TABLE, names, chunks=(70, 6))
    table = read_features(path, max_bytes=1 if streamed else None)
    rows = table.rows[np.arange(300)]
    assert rows.dtype == np.float64
    cleaner = Cleaner.fit(rows, names, Rules())
    assert cleaner.dropped == {}
    plain = Cleaner.fit(TABLE, names, Rules()).transform(TABLE).values
    difference = np.abs(cleaner.transform(rows).values - plain).max(0)
    np.testing.assert_array_less(difference, [1e-5, 1e-4, 1e-4, 1e-6, 0.3, 1e-6])


def test_integers_beyond_the_digits_of_float32_are_read_exactly(tmp_path: Path) -> None:
    values = np.arange(400).reshape(100, 4) + 2**40
    with open_features(write_table(tmp_path / "t.h5", values)) as source:
        np.testing.assert_array_equal(source.read_all(), values)


def test_a_table_has_the_same_rows_and_hash_in_float32_and_float64(tmp_path: Path) -> None:
    with open_features(write_table(tmp_path / "t.h5", X)) as one:
        rows, sha256 = one.read_all(), one.sha256()
    with open_features(write_table(tmp_path / "u.h5", X.astype(np.float64))) as other:
        np.testing.assert_array_equal(other.read_all(), rows)
        assert other.sha256() == sha256 == hashlib.sha256(X.astype("<f4").tobytes()).hexdigest()


@pytest.mark.parametrize("size", [1, 7, 40])
def test_the_hash_sees_digits_beyond_float32_but_not_the_blocks(size: int) -> None:
    exact, shifted = X.astype(np.float64), X.astype(np.float64)
    shifted[30, 2] *= 1 + 1e-12

    def digest(rows: np.ndarray, step: int) -> str:
        result = RowDigest()
        for start in range(0, len(rows), step):
            result.update(rows[start : start + step])
        return result.hexdigest()

    assert digest(shifted, size) == digest(shifted, 40) != digest(exact, size)
    assert digest(exact, size) == digest(X, 40)


@pytest.mark.parametrize("kind", ["array", "lists", "frame", "tensor"])
def test_arrays_keep_their_digits(kind: str) -> None:
    values = OFFSETS + SCALES * TABLE
    make = {"array": np.array, "lists": np.ndarray.tolist, "frame": pandas.DataFrame, "tensor": torch.tensor}[kind]
    rows = read_features(make(values)).rows
    np.testing.assert_array_equal(rows, values)
    assert Cleaner.fit(rows, [f"c{j}" for j in range(6)], Rules()).dropped == {}
