"""Token files: a round trip, their layout, and refused files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError, OutputError
from spinlock.io import token_writer
from spinlock.io.features import open_features
from spinlock.io.token_layout import ROW_QUALITIES, SPLIT_NAMES, TokenColumns
from spinlock.io.token_writer import TokenWriter
from spinlock.io.tokens import TokenFile
from tests.tables import write_table

COLUMNS = TokenColumns.from_codebook_sizes({"shape": (8, 4, 2), "speed": (300, 16, 16)})


def write_tokens(
    path: Path, indices: np.ndarray, block: int = 64, sides: np.ndarray | None = None, **options: object
) -> dict[str, np.ndarray]:
    """Write ``indices`` [N, 6] or [N, M, 6] in blocks, and return the four values of each row."""
    flat = indices.reshape(-1, indices.shape[-1])
    qualities = {name: np.arange(len(flat)) + index / 8 for index, name in enumerate(ROW_QUALITIES)}
    with TokenWriter(path, COLUMNS, indices.shape[:-1], **options) as writer:
        for start in range(0, len(flat), block):
            part = slice(start, start + block)
            writer.write(flat[part], **{name: values[part] for name, values in qualities.items()})
        writer.write_split(np.zeros(len(indices), dtype=np.int8) if sides is None else sides)
        writer.set_attributes({"imputed_cells": 12})
    return qualities


@pytest.fixture(params=[(200,), (40, 5)], ids=["rows", "trajectories"])
def indices(request: pytest.FixtureRequest, rng: np.random.Generator) -> np.ndarray:
    sizes = np.array(COLUMNS.codebook_size)
    return rng.integers(0, sizes, (*request.param, len(sizes)))


@pytest.mark.parametrize("block", [1, 64, 1000])
def test_tokens_survive_a_round_trip_with_shape_columns_and_attributes(
    tmp_path: Path, indices: np.ndarray, block: int
) -> None:
    path = tmp_path / "tokens.h5"
    qualities = write_tokens(path, indices, block, attributes={"assignment": "local", "model_sha256": "ab"})
    with TokenFile.open(path) as tokens:
        assert np.array_equal(tokens.indices, indices)
        assert tokens.shape == indices.shape[:-1]
        assert tokens.columns.names == (
            "shape.L0",
            "shape.L1",
            "shape.L2",
            "speed.L0",
            "speed.L1",
            "speed.L2",
        )
        assert tokens.category == ("shape",) * 3 + ("speed",) * 3
        assert tokens.level == (0, 1, 2, 0, 1, 2)
        assert tokens.codebook_size == (8, 4, 2, 300, 16, 16)
        assert set(tokens.split) == {"new"}
        for name, values in qualities.items():
            assert np.array_equal(tokens.row_quality(name).ravel(), values.astype(np.float32))
        assert np.array_equal(np.concatenate([rows for _, rows in tokens.blocks(33)]), indices.reshape(-1, 6))
        wanted = {"assignment": "local", "model_sha256": "ab", "imputed_cells": 12, "format_version": 1}
        assert wanted.items() <= tokens.attributes.items()
        assert "program_version" in tokens.attributes
        assert "created" not in tokens.attributes


def test_stored_tokens_are_compressed_and_of_the_smallest_type(tmp_path: Path, indices: np.ndarray) -> None:
    write_tokens(tmp_path / "tokens.h5", indices)
    with h5py.File(tmp_path / "tokens.h5") as file:
        stored = file["tokens/indices"]
        assert (stored.dtype, stored.compression) == (np.uint16, "gzip")
        assert stored.chunks is not None
        assert file["tokens/columns"].asstr()[0] == "shape.L0"


def test_split_and_annotations_survive_a_round_trip(
    tmp_path: Path, indices: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    operators = indices.shape[0]
    table = write_table(tmp_path / "a.h5", np.zeros((operators, 2)), labels={"kind": np.arange(operators)})
    split = np.array(["train"] * (operators - 2) + ["validation", "new"])
    sides = np.array([SPLIT_NAMES.index(side) for side in split], dtype=np.int8)
    monkeypatch.setattr(token_writer, "BLOCK_TEXTS", 7)
    with open_features(table) as source:
        write_tokens(tmp_path / "tokens.h5", indices, sides=sides, annotations=source)
    with TokenFile.open(tmp_path / "tokens.h5") as tokens, h5py.File(tmp_path / "b.h5", "w") as target:
        assert np.array_equal(tokens.split, split)
        tokens.copy_annotations(target)
        assert np.array_equal(target["labels/kind"], np.arange(operators))


def test_an_incomplete_or_invalid_stream_of_rows_leaves_no_file(tmp_path: Path, indices: np.ndarray) -> None:
    block = {name: np.zeros(1) for name in ROW_QUALITIES}
    first = indices.reshape(-1, 6)[:1]

    def write_repeatedly(rows: np.ndarray, times: int) -> None:
        with TokenWriter(tmp_path / "tokens.h5", COLUMNS, (2,)) as writer:
            for _ in range(times):
                writer.write(rows, **block)

    with pytest.raises(ValueError, match="1 rows written of"):
        write_repeatedly(first, 1)
    with pytest.raises(ValueError, match="do not fit"):
        write_repeatedly(first, 3)
    with pytest.raises(ValueError, match="outside its codebook"):
        write_repeatedly(np.full((1, 6), 2), 2)
    assert list(tmp_path.iterdir()) == []
    write_repeatedly(first, 2)
    with pytest.raises(OutputError, match="exists already"):
        write_repeatedly(first, 2)


def open_error(path: Path) -> str:
    with pytest.raises(DataError) as caught, TokenFile.open(path) as tokens:
        tokens.read(0, tokens.num_rows)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_files_that_are_not_token_files_are_refused(tmp_path: Path) -> None:
    assert "no such file" in open_error(tmp_path / "absent.h5")
    table = write_table(tmp_path / "a.h5", np.zeros((3, 2)))
    assert "is not a token file; expected an output of encode-to-tokens" in open_error(table)


def test_damaged_token_files_are_refused(tmp_path: Path, indices: np.ndarray) -> None:
    path = tmp_path / "tokens.h5"

    def damaged(name: str, values: object) -> str:
        path.unlink(missing_ok=True)
        write_tokens(path, indices)
        with h5py.File(path, "a") as file:
            if name.startswith("@"):
                file.attrs[name[1:]] = values
            else:
                del file[name]
                if values is not None:
                    file[name] = values
        return open_error(path)

    wrong = indices.copy()
    wrong.reshape(-1, 6)[3, 1] = 4
    assert "token shape.L1 of row 3 is 4" in damaged("tokens/indices", wrong)
    wrong.reshape(-1, 6)[3, 1] = -1
    assert "is -1" in damaged("tokens/indices", wrong)
    assert "expected 0 to 3" in damaged("tokens/indices", wrong)
    assert "token format version 2; expected version 1" in damaged("@format_version", 2)
    assert "/tokens/level: no such dataset" in damaged("tokens/level", None)
    assert "differ in length" in damaged("tokens/level", [0, 1])
    assert "expected shape.L0, shape.L0, shape.L0, speed.L0" in damaged("tokens/level", [0] * 6)
    assert "/tokens/level: contains text of shape (6,); expected a list of integers" in damaged(
        "tokens/level", ["0"] * 6
    )
    assert "codebook sizes are 8, 4, 0, 300, 16" in damaged("tokens/codebook_size", [8, 4, 0, 300, 16, 16])
    assert "contains float64 of shape (2, 3); expected a list of int" in damaged(
        "tokens/codebook_size", np.ones((2, 3))
    )
    assert "/indices: contains float64 of shape (3, 6); expected int" in damaged("tokens/indices", np.zeros((3, 6)))
    assert "contains int64 of shape (3, 5); expected int" in damaged("tokens/indices", np.zeros((3, 5), int))
    assert "shape (0, 6) has no rows" in damaged("tokens/indices", np.zeros((0, 6), int))
    assert "/tokens/indices: no such dataset" in damaged("tokens/indices", None)


def test_tokens_that_were_never_written_are_refused(tmp_path: Path, indices: np.ndarray) -> None:
    path = tmp_path / "tokens.h5"
    write_tokens(path, indices)
    with h5py.File(path, "a") as file:
        del file["tokens/indices"]
        made = file.create_dataset("tokens/indices", indices.shape, np.uint16, chunks=(10, *indices.shape[1:]))
        made[:10] = indices[:10]
    assert "tokens were never written; encode the dataset again" in open_error(path)


@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value"])
def test_tokens_that_equal_a_fill_value_are_refused(tmp_path: Path, indices: np.ndarray, attribute: str) -> None:
    path = tmp_path / "tokens.h5"
    write_tokens(path, np.maximum(indices, 1))
    with h5py.File(path, "a") as file:
        file["tokens/indices"].attrs[attribute] = 0
    with TokenFile.open(path) as tokens:
        np.testing.assert_array_equal(tokens.indices, np.maximum(indices, 1))
    with h5py.File(path, "a") as file:
        file["tokens/indices"][:3] = 0
    count = 3 * indices[0].size
    assert f"/indices: {count} tokens equal its attribute _FillValue or missing_value" in open_error(path)


PARTS = {
    "split of another type": ("split", np.zeros(40)),
    "short split": ("split", ["new"] * 3),
    "scalar split": ("split", "new"),
    **{f"short {name}": (f"tokens/{name}", np.zeros((39, 5))) for name in ROW_QUALITIES},
    "flat errors": ("tokens/reconstruction_error", np.zeros(200)),
    "text for errors": ("tokens/reconstruction_error", [["x"] * 5] * 40),
    "short tokens": ("tokens/indices", np.zeros((30, 5, 6), int)),
    "tokens of another shape": ("tokens/indices", np.zeros((200, 6), int)),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_another_type_or_length_are_refused(tmp_path: Path, name: str) -> None:
    part, values = PARTS[name]
    path = tmp_path / "tokens.h5"
    write_tokens(path, np.zeros((40, 5, 6), int))
    with h5py.File(path, "a") as file:
        del file[part]
        file[part] = values
    message = open_error(path)
    assert ": contains " in message
    if part != "tokens/indices":
        assert message.startswith(f"{path}:/{part}: ")
