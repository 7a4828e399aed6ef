"""One row of a token file: its codes, decoded features and nearest rows, against a direct computation."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spinlock.encoding import RowCodec, describe_row, encode_file, token_row
from spinlock.errors import DataError
from spinlock.evaluation.rows import Coder
from spinlock.io.tokens import TokenFile
from tests.cli.workspace import NAMES
from tests.encoding.models import OTHER, codec_of, saved_model
from tests.io.test_tokens import COLUMNS, write_tokens
from tests.tables import write_table

ROW = 17


@pytest.fixture(scope="module", params=["local", "joint"])
def codec(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> RowCodec:
    return codec_of(saved_model(tmp_path_factory.mktemp("model"), request.param))


@pytest.fixture
def tokens(codec: RowCodec, tmp_path: Path) -> Path:
    labels = {"solver": np.arange(80) % 4, "name": np.array([f"run {row}" for row in range(80)], dtype=object)}
    encode_file(codec, write_table(tmp_path / "data.h5", OTHER, NAMES, labels=labels), tmp_path / "tokens.h5")
    return tmp_path / "tokens.h5"


def test_the_nearest_rows_are_those_of_the_evaluation(codec: RowCodec, tokens: Path) -> None:
    coder = Coder(codec.codec, codec.checkpoint.cleaner, codec.device)
    rows = coder.evaluated(OTHER, np.arange(80), np.arange(80))
    distances = cdist(rows.points(3).astype(float), rows.points(3)[ROW : ROW + 1].astype(float))[:, 0]
    expected = [row for row in np.argsort(distances, kind="stable").tolist() if row != ROW][:10]
    with TokenFile.open(tokens) as source:
        described = describe_row(source, ROW, codec)
    assert [near.place.row for near in described.nearest] == expected
    np.testing.assert_allclose([near.distance for near in described.nearest], distances[expected], rtol=1e-6)
    assert described.mean_distance == pytest.approx(distances.sum() / 79, rel=1e-9)
    equal = (rows.flat_tokens == rows.flat_tokens[ROW]).sum(1)
    assert [near.num_equal for near in described.nearest] == equal[expected].tolist()
    is_joint = codec.checkpoint.spec.assignment == "joint"
    assert described.distance_kind == ("decoded rows" if is_joint else "quantized latents")


def test_typical_values_are_those_that_deviate_most(codec: RowCodec, tokens: Path) -> None:
    with TokenFile.open(tokens) as source:
        described = describe_row(source, ROW, codec)
    cleaner, triple = codec.checkpoint.cleaner, codec.encode(OTHER).indices[ROW].reshape(1, -1, 3)
    raw = [codec.decode(triple[..., :levels].copy())[0].astype(np.float64) for levels in (1, 2, 3)]
    for category, columns in codec.checkpoint.category_columns.items():
        shown = [each for each in described.typical if each.category == category]
        positions = [list(cleaner.kept).index(column) for column in columns]
        z = np.array([(row[columns] - cleaner.mean[positions]) / cleaner.std[positions] for row in raw])
        order = np.argsort(-np.abs(z[-1]), kind="stable")[:3]
        assert [each.feature for each in shown] == [NAMES[columns[position]] for position in order]
        np.testing.assert_allclose([each.z_scores for each in shown], z[:, order].T, atol=2e-5)  # float32 rows
        np.testing.assert_array_equal([each.value for each in shown], raw[-1][np.array(columns)[order]])


def test_without_a_model_rows_with_equal_tokens_are_near(codec: RowCodec, tokens: Path) -> None:
    with TokenFile.open(tokens) as source:
        described, indices = describe_row(source, ROW), source.indices
        quality = source.row_quality("reconstruction_error")
    different = (indices != indices[ROW]).sum(1)
    expected = [row for row in np.argsort(different, kind="stable").tolist() if row != ROW][:10]
    assert [near.place.row for near in described.nearest] == expected
    assert [near.distance for near in described.nearest] == different[expected].tolist()
    assert (described.distance_kind, described.typical) == ("different tokens", ())
    assert described.place.labels == {"solver": "1", "name": "run 17"}
    assert described.nearest[0].place.labels["name"] == f"run {expected[0]}"
    assert described.quality["reconstruction_error"] == quality[ROW]
    sizes = codec.checkpoint.spec.num_codes
    codes = zip(codec.checkpoint.spec.category_names, indices[ROW].reshape(-1, 3).tolist(), sizes, strict=True)
    assert described.codes == {name: tuple(zip(levels, k, strict=True)) for name, levels, k in codes}


def test_the_result_depends_neither_on_the_blocks_nor_on_the_order_of_the_columns(
    codec: RowCodec, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TokenFile.open(tokens) as source:
        expected = describe_row(source, ROW, codec)
    with h5py.File(tokens, "r+") as file:
        order = np.random.default_rng(0).permutation(len(file["tokens/columns"]))
        for key in ("columns", "category", "level", "codebook_size", "indices"):
            file[f"tokens/{key}"][...] = file[f"tokens/{key}"][()][..., order]
    monkeypatch.setattr(token_row, "BLOCK", 7)
    finished: list[int] = []
    with TokenFile.open(tokens) as source:
        described = describe_row(source, ROW, codec, finished.append)
    assert finished == [*([7] * 11), 3]
    assert described.codes == expected.codes
    assert described.typical == expected.typical
    assert described.nearest == expected.nearest


def test_another_model_is_refused(tokens: Path, tmp_path: Path) -> None:
    other = codec_of(saved_model(tmp_path, rows=OTHER))
    with (
        TokenFile.open(tokens) as source,
        pytest.raises(DataError, match=r"was encoded with another model; expected tokens of .*local\.pt"),
    ):
        describe_row(source, ROW, other)


def test_rows_of_one_operator_share_its_place(tmp_path: Path, rng: np.random.Generator) -> None:
    indices = rng.integers(0, np.array(COLUMNS.codebook_size), (4, 3, len(COLUMNS)))
    quality = write_tokens(tmp_path / "tokens.h5", indices, sides=np.array([1, 2, 1, 0], dtype=np.int8))
    with TokenFile.open(tmp_path / "tokens.h5") as source:
        described = describe_row(source, 5)
    assert (described.place.row, described.place.operator, described.place.split) == (5, 1, "validation")
    assert described.quality == {name: values[5] for name, values in quality.items()}
    assert sorted(near.place.row for near in described.nearest) != list(range(10))
    assert len(described.nearest) == 10
    assert {near.place.row: near.place.operator for near in described.nearest}.items() <= {
        row: row // 3 for row in range(12)
    }.items()


def test_a_single_row_has_no_nearest_rows(tmp_path: Path) -> None:
    write_tokens(tmp_path / "tokens.h5", np.zeros((1, 6), dtype=int))
    with TokenFile.open(tmp_path / "tokens.h5") as source:
        described = describe_row(source, 0)
    assert (described.nearest, described.mean_distance) == ((), 0.0)
    assert described.codes == {
        "shape": ((0, 8), (0, 4), (0, 2)),
        "speed": ((0, 300), (0, 16), (0, 16)),
    }
