"""Positions of the codes: their sums have the distances of the decoded rows, and token files contain them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import spinlock as sl
from spinlock.encoding.code_positions import MAX_AXES, _principal_axes, code_positions
from spinlock.errors import DataError
from spinlock.io.code_positions import read_code_positions
from spinlock.io.token_layout import CODE_POSITIONS
from spinlock.metrics import correlation
from tests.cli.workspace import NAMES, small_table
from tests.tables import write_table


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[sl.Tokenizer, Path]:
    path = tmp_path_factory.mktemp("positions")
    write_table(path / "table.h5", small_table(), NAMES)
    tokenizer = sl.Tokenizer.fit(path / "table.h5", epochs=0, num_categories_auto=2)
    tokenizer.encode_file(path / "table.h5", path / "tokens.h5")
    return tokenizer, path / "tokens.h5"


def test_the_sums_have_the_distances_of_the_linear_part_of_the_decoded_rows(encoded: tuple[sl.Tokenizer, Path]) -> None:
    tokenizer, path = encoded
    positions = code_positions(tokenizer.codec).astype(np.float64)
    books = [book.double().numpy() for levels in tokenizer.codec.codec.code_vectors() for book in levels]
    assert positions.shape == (sum(map(len, books)), min(MAX_AXES, books[0].shape[1]))
    with h5py.File(path) as file:
        tokens = file["tokens/indices"][:50].astype(int)
        np.testing.assert_array_equal(file[CODE_POSITIONS], positions.astype(np.float32))
    first = np.cumsum([0, *map(len, books)])[:-1]
    decoded = sum(book[tokens[:, column]] for column, book in enumerate(books))
    sums = positions[tokens + first].sum(axis=1)

    def distances(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - points, axis=2)

    np.testing.assert_allclose(distances(sums), distances(np.asarray(decoded)), atol=1e-4)


def test_the_file_is_checked(encoded: tuple[sl.Tokenizer, Path], tmp_path: Path) -> None:
    _, path = encoded
    with h5py.File(path) as file:
        values = file[CODE_POSITIONS][()]
    codes = len(values)
    np.testing.assert_array_equal(read_code_positions(path, codes), values)
    copy = tmp_path / "tokens.h5"
    for changed, message in (
        (values[1:], "one row for each code"),
        (np.where(np.arange(codes)[:, None] == 0, np.nan, values), "not finite"),
        (None, ""),
    ):
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "r+") as file:
            del file[CODE_POSITIONS]
            if changed is not None:
                file[CODE_POSITIONS] = changed
        if changed is None:
            assert read_code_positions(copy, codes) is None
        else:
            with pytest.raises(DataError, match=message):
                read_code_positions(copy, codes)


def test_axes_from_the_products_of_codes_equal_those_of_the_columns(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    centered = rng.standard_normal((12, 5)) @ rng.standard_normal((5, 40))
    expected = _principal_axes(centered)[:, :5]
    monkeypatch.setattr(correlation, "MAX_MATRIX_COLUMNS", 10)
    axes = _principal_axes(centered)
    assert axes.shape == (40, 5)
    np.testing.assert_allclose(np.abs((axes * expected).sum(0)), 1.0, rtol=1e-9)
