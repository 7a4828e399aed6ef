"""Representations of operators along the chain: raw features, decoded features, and tokens, as vectors.

Letters: ``N`` operators, ``T`` token columns, ``C`` categories, ``U`` columns that the tokenizer uses, ``E`` axes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.ano.network.member import Member
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError
from spinlock.io.column_selection import select_columns
from spinlock.model import LEVELS
from spinlock.scoring.tables import read_for
from spinlock.tokenizer import Tokenizer

Floats = NDArray[np.float64]

CHECKED_ROWS = 64
"""Number of rows that are encoded again, to check that dataset and tokens belong together."""


def token_vectors(member: Member, tokens: NDArray[np.int64]) -> Floats:
    """Return the decoded features [N, E] that a member reads, for tokens [N, T]."""
    with torch.no_grad():
        return np.asarray(member.decoder(member.decoder.to_codes(torch.from_numpy(tokens))).double().numpy())


def decoded_features(tokenizer: Tokenizer, tokens: NDArray[np.int64]) -> Floats:
    """Return the decoded features [N, U] in z-scores."""
    indices = tokens.reshape(len(tokens), -1, LEVELS)
    return RowCodec.of(tokenizer.checkpoint, tokenizer.device).decode_z_scores(indices).astype(np.float64)


def raw_features(tokenizer: Tokenizer, dataset: Path, tokens: NDArray[np.int64], where: Path) -> Floats:
    """Return the cleaned features [N, U] of a dataset in z-scores.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    dataset
        Dataset that was encoded.
    tokens
        Its tokens [N, T].
    where
        Path of the token file.

    Raises
    ------
    DataError
        The dataset cannot be read, or its rows do not have these tokens.
    """
    table = select_columns(read_for(tokenizer, dataset), tokenizer.feature_names)
    if len(table.rows) != len(tokens):
        what = f"has {len(table.rows)} rows, and {where} has the tokens of {len(tokens)} operators"
        raise DataError(what, where=str(dataset), expected="the dataset that was encoded")
    first = np.linspace(0, len(tokens) - 1, min(CHECKED_ROWS, len(tokens))).astype(np.int64)
    equal = float(
        (RowCodec.of(tokenizer.checkpoint, tokenizer.device).encode(table.rows[first]).indices == tokens[first]).mean()
    )
    if equal < 0.9:  # another device can choose another code at a near tie
        what = f"its rows have other tokens than {where}: {equal:.0%} of {len(first)} checked rows are equal"
        raise DataError(what, where=str(dataset), expected="the dataset that was encoded")
    cleaner = tokenizer.checkpoint.cleaner
    return cleaner.to_z_scores(cleaner.transform(table.rows[np.arange(len(tokens))]).values).astype(np.float64)


def check_tokenizer(tokenizer: Tokenizer, model_sha256: str) -> None:
    """Raise an error unless a tokenizer is the one that wrote the tokens."""
    found = tokenizer.sha256()
    if found != model_sha256:
        raise DataError(
            f"is the tokenizer {found[:12]}",
            where=str(tokenizer.checkpoint.path),
            expected=f"tokenizer {model_sha256[:12]}, which wrote the tokens",
            remedy="pass the model that encode-to-tokens used",
        )
