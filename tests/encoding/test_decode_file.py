"""Decoding of token files to feature tables, from one, two or three levels."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock import Tokenizer
from spinlock.encoding import RowCodec, decode_file, encode_file
from spinlock.errors import DataError, OutputError
from spinlock.io.feature_table import read_features
from tests.cli.workspace import NAMES, SMALL
from tests.encoding.models import OTHER, TRAINING, codec_of, saved_model
from tests.tables import write_table


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> RowCodec:
    return codec_of(saved_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def tokens(codec: RowCodec, tmp_path: Path) -> Path:
    dataset = write_table(tmp_path / "data.h5", OTHER, NAMES, labels={"solver": np.arange(80) % 4})
    encode_file(codec, dataset, tmp_path / "tokens.h5")
    return tmp_path / "tokens.h5"


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_decoded_file_is_a_feature_table(codec: RowCodec, tokens: Path, tmp_path: Path, levels: int) -> None:
    finished: list[int] = []
    count = decode_file(codec, tokens, tmp_path / "decoded.h5", levels=levels, advance=finished.append)
    assert count == sum(finished) == 80
    table = read_features(tmp_path / "decoded.h5")
    assert table.names == tuple(NAMES)
    triples = codec.encode(OTHER).indices.reshape(80, 3, 3)
    np.testing.assert_array_equal(np.asarray(table.rows[np.arange(80)]), codec.decode(triples[..., :levels].copy()))
    np.testing.assert_array_equal(table.groups("solver"), np.arange(80) % 4)
    with h5py.File(tmp_path / "decoded.h5") as file:
        assert file.attrs["decoded_levels"] == levels
        assert file.attrs["model_sha256"] == codec.checkpoint.sha256()


def test_decoded_features_are_encoded_to_nearly_the_same_tokens(codec: RowCodec, tokens: Path, tmp_path: Path) -> None:
    decode_file(codec, tokens, tmp_path / "decoded.h5")
    encode_file(codec, tmp_path / "decoded.h5", tmp_path / "again.h5")
    with h5py.File(tokens) as one, h5py.File(tmp_path / "again.h5") as other:
        equal = (one["tokens/indices"][()] == other["tokens/indices"][()]).mean()
    assert equal > 0.9


@pytest.mark.parametrize("levels", [0, 4, -1])
def test_levels_out_of_range_are_refused(codec: RowCodec, tokens: Path, tmp_path: Path, levels: int) -> None:
    with pytest.raises(DataError, match=f"levels is {levels}; expected 1 to 3"):
        decode_file(codec, tokens, tmp_path / "decoded.h5", levels=levels)
    assert not (tmp_path / "decoded.h5").exists()


def test_tokens_of_another_model_are_refused(codec: RowCodec, tokens: Path, tmp_path: Path) -> None:
    other = codec_of(saved_model(tmp_path, "joint"))
    with pytest.raises(DataError, match=r"tokens\.h5: was encoded with another model; expected tokens of .*joint\.pt"):
        decode_file(other, tokens, tmp_path / "decoded.h5")
    assert not (tmp_path / "decoded.h5").exists()


def test_a_file_without_tokens_and_an_existing_output_are_refused(
    codec: RowCodec, tokens: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"data\.h5: is not a token file"):
        decode_file(codec, tmp_path / "data.h5", tmp_path / "decoded.h5")
    with pytest.raises(OutputError, match=r"data\.h5: exists already"):
        decode_file(codec, tokens, tmp_path / "data.h5")
    decode_file(codec, tokens, tmp_path / "decoded.h5")
    assert decode_file(codec, tokens, tmp_path / "decoded.h5", levels=1, overwrite=True) == 80


def _reorder(tokens: Path, order: np.ndarray, keys: tuple[str, ...]) -> None:
    """Write the columns of a token file in another order, or only some of the lists that describe them."""
    with h5py.File(tokens, "r+") as file:
        for key in keys:
            values = file[f"tokens/{key}"][()]
            file[f"tokens/{key}"][...] = values[..., order]


def test_token_columns_are_matched_by_name(codec: RowCodec, tokens: Path, tmp_path: Path) -> None:
    decode_file(codec, tokens, tmp_path / "decoded.h5")
    order = np.random.default_rng(0).permutation(9)
    _reorder(tokens, order, ("columns", "category", "level", "codebook_size", "indices"))
    decode_file(codec, tokens, tmp_path / "again.h5")
    one, other = (read_features(tmp_path / name) for name in ("decoded.h5", "again.h5"))
    assert one.sha256 == other.sha256


@pytest.mark.parametrize("keys", [("category", "columns"), ("level", "columns"), ("codebook_size",)])
def test_token_columns_that_differ_from_the_model_are_refused(
    codec: RowCodec, tokens: Path, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    with h5py.File(tokens, "r+") as file:
        for key in keys:
            values = file[f"tokens/{key}"]
            values[0] = {"columns": "other.L0", "category": "other", "level": 5, "codebook_size": 1000}[key]
        category, level = file["tokens/category"].asstr()[0], file["tokens/level"][0]
        file["tokens/columns"][0] = f"{category}.L{level}"
    with pytest.raises(DataError, match="token columns or codebook sizes are not those of the model"):
        decode_file(codec, tokens, tmp_path / "decoded.h5")
    assert not (tmp_path / "decoded.h5").exists()


def test_a_column_on_top_of_a_large_offset_is_decoded_with_its_digits(tmp_path: Path) -> None:
    rows = TRAINING.astype(np.float64)
    rows[:, 3] += 1.7e9
    path = write_table(tmp_path / "data.h5", rows, NAMES)
    settings = {key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")}
    tokenizer = Tokenizer.fit(path, settings)
    assert tokenizer.checkpoint.cleaner.dropped == {}
    tokenizer.encode_file(path, tmp_path / "tokens.h5")
    tokenizer.decode_file(tmp_path / "tokens.h5", tmp_path / "decoded.h5")
    with h5py.File(tmp_path / "decoded.h5") as file:
        decoded = file["features/sdf/aggregated/features"][()]
    assert decoded.dtype == np.float64
    assert np.corrcoef(decoded[:, 3], rows[:, 3])[0, 1] > 0.5


def test_an_output_that_is_also_an_input_is_refused(codec: RowCodec, tokens: Path, tmp_path: Path) -> None:
    model = codec.checkpoint.path
    for output in (tokens, model):
        with pytest.raises(OutputError, match="is also the input"):
            decode_file(codec, tokens, output, overwrite=True)
    dataset = tmp_path / "data.h5"
    for output in (dataset, model):
        with pytest.raises(OutputError, match="is also the input"):
            encode_file(codec, dataset, output, overwrite=True)
