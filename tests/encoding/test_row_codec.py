"""Tokens of raw rows, the error of each row, and the check of tokens of a user."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.encoding import EncodedBlock, RowCodec
from spinlock.encoding.row_codec import check_tokens
from spinlock.errors import DataError
from spinlock.model.codec import BLOCK
from tests.encoding.models import OTHER, TRAINING, codec_of, saved_model, with_faults


@pytest.fixture(scope="module", params=["local", "joint"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RowCodec:
    return codec_of(saved_model(tmp_path_factory.mktemp("model"), request.param))


def test_every_row_has_tokens_within_their_codebooks(codec: RowCodec) -> None:
    block = codec.encode(OTHER)
    assert block.indices.shape == (80, 9)
    assert block.indices.dtype == np.int64
    assert (block.indices >= 0).all()
    assert (block.indices < [4, 3, 2] * 3).all()
    assert block.near_tie.dtype == np.bool_
    for field in fields(EncodedBlock):
        assert field.name == "ranges" or len(getattr(block, field.name)) == 80
    assert block.ranges.clipped.sum() == round(block.clipped.sum() * 12)


def test_the_error_is_that_of_the_decoded_row_in_normalized_units(codec: RowCodec) -> None:
    block, cleaner = codec.encode(OTHER), codec.checkpoint.cleaner
    decoded = codec.decode(block.indices.reshape(80, 3, 3))
    expected = np.square(cleaner.transform(OTHER).values - cleaner.transform(decoded).values).mean(1)
    assert np.isclose(block.error, expected, rtol=1e-4).mean() > 0.9  # the remaining decoded rows are clipped here


def test_the_percentile_is_the_rank_among_the_validation_errors(codec: RowCodec) -> None:
    held_out = TRAINING[codec.checkpoint.split.validation]
    block = codec.encode(np.concatenate([OTHER, held_out]))
    known = codec.checkpoint.validation.errors.numpy()
    expected = [100 * np.mean(known < error) for error in block.error]
    np.testing.assert_allclose(block.percentile, expected, rtol=1e-5)
    assert len(np.unique(block.percentile)) > 3
    assert sorted(block.percentile[-8:].tolist()) == [12.5 * rank for rank in range(8)]


def test_missing_and_clipped_cells_are_counted(codec: RowCodec) -> None:
    block = codec.encode(with_faults(OTHER))
    assert block.imputed[:3] == pytest.approx([3 / 12, 0, 0])
    assert block.clipped[1] == pytest.approx(2 / 12 + codec.encode(OTHER).clipped[1], abs=1e-6)
    assert np.isfinite(block.error).all()


def test_the_tokens_of_a_row_do_not_depend_on_the_other_rows(codec: RowCodec) -> None:
    whole, rows = codec.encode(OTHER), np.arange(80)[::-1]
    np.testing.assert_array_equal(codec.encode(OTHER[rows]).indices, whole.indices[rows])
    np.testing.assert_array_equal(codec.encode(OTHER[7:8]).indices, whole.indices[7:8])
    many = np.tile(OTHER, (BLOCK // 80 + 2, 1))
    np.testing.assert_array_equal(codec.encode(many).indices, np.tile(whole.indices, (BLOCK // 80 + 2, 1)))


def test_an_empty_table_has_no_tokens(codec: RowCodec) -> None:
    assert codec.encode(OTHER[:0]).indices.shape == (0, 9)
    assert codec.decode(np.zeros((0, 3, 3), dtype=np.int64)).shape == (0, 12)


def test_more_levels_decode_better(codec: RowCodec) -> None:
    triples = codec.encode(TRAINING).indices.reshape(80, 3, 3)
    errors = [float(np.square(codec.decode(triples[..., :count]) - TRAINING).mean()) for count in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, np.ndarray.tolist, lambda x: x.astype(np.uint8)])
def test_tokens_of_any_integer_type_are_accepted(codec: RowCodec, kind: Any) -> None:
    tokens = codec.encode(OTHER).indices
    checked = check_tokens(kind(tokens), codec.checkpoint.spec)
    assert checked.dtype == np.int64
    np.testing.assert_array_equal(checked, tokens)
    assert check_tokens(kind(tokens.reshape(20, 4, 9)), codec.checkpoint.spec).shape == (20, 4, 9)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (np.zeros((2, 9)), "tokens are of type float64; expected integers"),
        (np.zeros((2, 8), dtype=int), r"tokens have shape \[2, 8\]; expected \[N, 9\]"),
        (np.zeros(9, dtype=int), r"tokens have shape \[9\]"),
        (np.eye(9, dtype=int)[[1]] * 3, r"token column \w+\.L1 contains 3; expected 0 to 2"),
        (-np.eye(9, dtype=int)[[5]], r"token column \w+\.L2 contains -1; expected 0 to 1"),
    ],
)
def test_tokens_of_wrong_type_shape_or_range_are_refused(codec: RowCodec, tokens: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_tokens(tokens, codec.checkpoint.spec)
