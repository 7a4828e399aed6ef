"""The decoder in a token file: decoded tokens have the distances of the decoded rows."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional as F

import spinlock as sl
from spinlock.encoding.token_decoder import MAX_AXES, make_token_decoder
from spinlock.errors import DataError
from spinlock.io.token_decoder import ARRAYS, TokenDecoder, read_token_decoder
from spinlock.io.token_layout import DECODER
from spinlock.model.codec import JointCodec
from tests.cli.workspace import NAMES, small_table
from tests.tables import write_table


@pytest.fixture(scope="module", params=["local", "joint"])
def encoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[sl.Tokenizer, Path]:
    """A tokenizer whose decoder has a trained hidden layer, and the tokens of a dataset with parameters."""
    path = tmp_path_factory.mktemp("decoder")
    write_table(path / "table.h5", small_table(), NAMES)
    with h5py.File(path / "table.h5", "r+") as file:
        count = len(small_table())
        file["parameters/params"], file["parameters/physical"] = np.zeros((2, count, 1))
    tokenizer = sl.Tokenizer.fit(
        path / "table.h5", epochs=20, warm_start=False, num_categories_auto=2, assignment=request.param
    )
    if isinstance(tokenizer.codec.codec, JointCodec):  # the toy table needs no hidden layer
        output = tokenizer.codec.codec.joint.codes.output
        output.data = 0.1 * torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    tokenizer.encode_file(path / "table.h5", path / "tokens.h5")
    return tokenizer, path / "tokens.h5"


def decoded_axes(decoder: TokenDecoder, tokens: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Return the coordinates [n, P] of tokens [n, T], as the class documents them."""
    codes = tokens + np.cumsum([0, *sizes])[:-1]
    hidden = torch.from_numpy(decoder.hidden[codes].sum(axis=1) + decoder.hidden_bias)
    coordinates: np.ndarray = decoder.linear[codes].sum(axis=1) + F.gelu(hidden).numpy() @ decoder.output
    return coordinates


def test_decoded_tokens_have_the_distances_of_the_decoded_rows(encoded: tuple[sl.Tokenizer, Path]) -> None:
    tokenizer, path = encoded
    sizes = [size for levels in tokenizer.codebook_sizes.values() for size in levels]
    with h5py.File(path) as file:
        tokens = file["tokens/indices"][:50].astype(int)
    decoder = read_token_decoder(path, sum(sizes))
    assert decoder is not None
    for name, values in make_token_decoder(tokenizer.codec).arrays().items():
        np.testing.assert_array_equal(getattr(decoder, name), values)
    codec = tokenizer.codec.codec
    rows = codec.decode(torch.from_numpy(tokens).view(len(tokens), -1, 3)).double().numpy()
    coordinates = decoded_axes(decoder, tokens, sizes)
    assert coordinates.shape == (50, min(MAX_AXES, rows.shape[1]))
    linear = decoder.linear[tokens + np.cumsum([0, *sizes])[:-1]].sum(axis=1)

    def distances(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - points, axis=2)

    np.testing.assert_allclose(distances(coordinates), distances(rows), atol=1e-3)
    assert np.abs(distances(linear) - distances(rows)).max() > 0.02, "the hidden layer is not trained"


def test_a_dataset_without_parameters_gives_a_file_without_decoder(tmp_path: Path) -> None:
    write_table(tmp_path / "table.h5", small_table(), NAMES)
    tokenizer = sl.Tokenizer.fit(tmp_path / "table.h5", epochs=0, num_categories_auto=2)
    tokenizer.encode_file(tmp_path / "table.h5", tmp_path / "tokens.h5")
    codes = sum(sum(levels) for levels in tokenizer.codebook_sizes.values())
    assert read_token_decoder(tmp_path / "tokens.h5", codes) is None


@pytest.mark.parametrize("link", [h5py.SoftLink("/missing"), h5py.ExternalLink("missing.h5", "/parameters")])
@pytest.mark.parametrize("name", ["parameters", "parameters/params"])
def test_a_broken_link_counts_as_no_parameters(tmp_path: Path, name: str, link: object) -> None:
    write_table(tmp_path / "table.h5", small_table(), NAMES)
    with h5py.File(tmp_path / "table.h5", "r+") as file:
        file[name] = link
    tokenizer = sl.Tokenizer.fit(small_table(), epochs=0, num_categories_auto=2, feature_names=NAMES)
    tokenizer.encode_file(tmp_path / "table.h5", tmp_path / "tokens.h5")
    codes = sum(sum(levels) for levels in tokenizer.codebook_sizes.values())
    assert read_token_decoder(tmp_path / "tokens.h5", codes) is None


@pytest.mark.parametrize("name", list(ARRAYS))
def test_the_arrays_of_a_file_are_checked(encoded: tuple[sl.Tokenizer, Path], tmp_path: Path, name: str) -> None:
    _, path = encoded
    with h5py.File(path) as file:
        values, codes = file[f"{DECODER}/{name}"][()], len(file[f"{DECODER}/linear"])
    damaged = values.copy()
    damaged.flat[0] = np.nan
    copy = tmp_path / "tokens.h5"
    for changed, message in (
        (values[1:], "has shape"),
        (values[None], "has shape"),
        (damaged, "not finite"),
        (np.full(values.shape, 1e300), "not finite"),
        (np.full(values.shape, "a", dtype=h5py.string_dtype()), "no real numbers"),
        (values.astype(np.complex64), "no real numbers"),
        (h5py.Empty("f4"), "no real numbers"),
        (None, "is missing"),
    ):
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "r+") as file:
            del file[f"{DECODER}/{name}"]
            if changed is not None:
                file[f"{DECODER}/{name}"] = changed
        with pytest.raises(DataError, match=message):
            read_token_decoder(copy, codes)
