"""The warning about values that do not fit the training ranges, and about columns without values."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import spinlock as sl
from spinlock.encoding import RowCodec, encode_file
from tests.cli.workspace import NAMES
from tests.encoding.models import OTHER, TRAINING, codec_of, saved_model
from tests.tables import write_table


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def codec(model: Path) -> RowCodec:
    return codec_of(model)


def warning_of(codec: RowCodec, folder: Path, rows: np.ndarray, **options: bool) -> str:
    dataset = write_table(folder / "data.h5", rows, NAMES)
    summary = encode_file(codec, dataset, folder / "tokens.h5", batch_size=30, overwrite=True, **options)
    assert summary is not None
    with h5py.File(folder / "tokens.h5") as file:
        assert file.attrs["range_warning"] == summary.range_warning
    return summary.range_warning


@pytest.mark.parametrize("rows", [TRAINING, OTHER], ids=["training rows", "other rows"])
def test_rows_of_the_same_distribution_give_no_warning(codec: RowCodec, tmp_path: Path, rows: np.ndarray) -> None:
    assert warning_of(codec, tmp_path, rows) == ""


def test_another_unit_is_named_with_the_worst_columns_and_their_ranges(codec: RowCodec, tmp_path: Path) -> None:
    rows = OTHER.copy()
    rows[:, 4] = 1000 + 100 * rows[:, 4]
    warning = warning_of(codec, tmp_path, rows)
    clipped = codec.encode(rows).clipped.mean()
    kept, screening = codec.checkpoint.cleaner.kept, codec.checkpoint.cleaner.screening
    assert list(kept) == list(range(12))
    assert warning.startswith(f"{clipped:.1%} of the cells are outside the training range and were clipped; ")
    assert "more than half of the cells were clipped: 1; worst" in warning
    ranges = f"training range {screening.lower[4]:.4g} to {screening.upper[4]:.4g}, here {rows[:, 4].min():.4g} to"
    assert f"{NAMES[4]} (100%; {ranges} {rows[:, 4].max():.4g})" in warning
    assert warning.endswith("are these columns in another unit?")
    assert warning.count("; training range") == 1  # columns with few clipped cells are not named


def test_more_than_five_percent_of_all_cells_give_a_warning(codec: RowCodec, tmp_path: Path) -> None:
    assert "cells were clipped: 0; worst" in warning_of(codec, tmp_path, 2.5 * OTHER)


@pytest.mark.parametrize("rows", [0.01 * OTHER, 0.01 * OTHER[:20]])
def test_columns_in_a_larger_unit_are_named(codec: RowCodec, tmp_path: Path, rows: np.ndarray) -> None:
    warning = warning_of(codec, tmp_path, rows)
    assert warning.startswith("12 of 12 columns vary by less than 5% of their training range; narrowest columns: ")
    assert warning.endswith("are these columns in another unit?")
    assert warning_of(codec, tmp_path, rows[:19]) == ""


def test_the_limit_of_a_small_training_table_includes_the_expected_clipping(tmp_path: Path) -> None:
    small = codec_of(saved_model(tmp_path, rows=TRAINING[:32]))
    new = np.random.default_rng(5).permutation(TRAINING)
    fraction = small.encode(new).clipped.mean()
    assert 0.05 < fraction < 0.05 + 2 / 28
    assert warning_of(small, tmp_path, new) == ""


def test_a_few_rows_give_no_warning_about_a_single_column(codec: RowCodec, tmp_path: Path) -> None:
    rows = codec.checkpoint.cleaner.inverse_transform(np.zeros((4, 12), dtype=np.float32))
    rows[:3, 4] = 1e6
    assert warning_of(codec, tmp_path, rows[:3]) != ""  # 3 of 36 cells
    rows[1:, 4] = 0
    assert warning_of(codec, tmp_path, rows) == ""  # 1 of 48 cells


@pytest.mark.parametrize(
    ("columns", "value", "words"),
    [
        ([4], np.nan, "8.3% of the cells are missing (NaN or infinite) and were replaced by the training medians; "),
        ([4, 7], np.inf, "values are missing: 2; worst columns: b_4 (100%; 0% in the training rows), b_7 (100%;"),
        (list(range(12)), np.nan, "100.0% of the cells are missing"),
        (list(range(12)), -np.inf, "values are missing: 12; worst columns: a_0 (100%;"),
    ],
    ids=["one column", "infinite columns", "nothing measured", "all infinite"],
)
def test_columns_without_values_are_named(
    codec: RowCodec, tmp_path: Path, columns: list[int], value: float, words: str
) -> None:
    rows = OTHER.copy()
    rows[:, columns] = value
    warning = warning_of(codec, tmp_path, rows)
    assert words in warning
    assert "clipped" not in warning
    assert warning_of(codec, tmp_path, rows[:19]) == ("" if len(columns) < 12 else warning.replace(": 12;", ": 0;"))
    with pytest.raises(sl.SpinlockError, match=r"are missing .*fill the columns, or encode without strict=True"):
        warning_of(codec, tmp_path, rows, strict=True)


def test_missing_cells_are_compared_with_those_of_the_training_rows(tmp_path: Path) -> None:
    hidden = np.random.default_rng(3).random(TRAINING.shape) < 0.2
    training = np.where(hidden & (np.arange(12) == 4), np.nan, TRAINING)
    sparse = codec_of(saved_model(tmp_path, rows=training))
    rows = OTHER.copy()
    rows[:45, 4] = np.nan  # 56 %, and about 20 % in the training rows
    assert warning_of(sparse, tmp_path, rows) == ""
    rows[:60, 4] = np.nan
    assert "worst columns: b_4 (75%; " in warning_of(sparse, tmp_path, rows)


def test_missing_columns_and_another_unit_are_both_told(codec: RowCodec, tmp_path: Path) -> None:
    rows = 100 * OTHER
    rows[:, 4] = np.nan
    assert all(words in warning_of(codec, tmp_path, rows) for words in ("b_4 (100%", "clipped", "another unit"))


def test_strict_is_an_error_and_writes_nothing(codec: RowCodec, tmp_path: Path) -> None:
    with pytest.raises(sl.SpinlockError, match=r"data\.h5: .*another unit\?; convert the units"):
        warning_of(codec, tmp_path, 100 * OTHER, strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]
    assert warning_of(codec, tmp_path, OTHER, strict=True) == ""


def test_encode_issues_a_warning(model: Path) -> None:
    tokenizer = sl.Tokenizer.load(model)
    with pytest.warns(sl.SpinlockWarning, match="another unit") as caught:
        tokenizer.encode(100 * OTHER)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer.encode(OTHER)
