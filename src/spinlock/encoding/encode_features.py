"""Encoding of features of every kind: arrays, tensors, data frames, feature tables and files.

Letters: ``N`` operators, ``M`` rows of one operator in a 3-D table, ``D`` input columns, ``C`` categories.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.encoding.encode_file import READ_ROWS
from spinlock.encoding.ranges import RangeCheck
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError, located
from spinlock.io.arrays import feature_values
from spinlock.io.arrays.row_precision import RawRows
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.io.inputs.feature_group import AGGREGATED
from spinlock.io.names import log_ignored, match_columns


def encode_features(codec: RowCodec, features: Any) -> tuple[NDArray[np.int64], str]:
    """Encode features in memory, or of a file.

    Parameters
    ----------
    codec
        The trained model.
    features
        An array or tensor [N, D] or [N, M, D]; or a data frame, a :class:`~spinlock.io.feature_table.FeatureTable` or
        the path of a dataset, whose columns are matched by name.

    Returns
    -------
    tokens : numpy.ndarray
        Tokens [N, 3C] or [N, M, 3C].
    warning : str
        Line about columns that do not fit the training rows; empty if there are none.

    Raises
    ------
    DataError
        The features cannot be read, a column of the model is missing, or an array has a wrong number of columns.
    """
    trained_on, names = codec.checkpoint.dataset, codec.checkpoint.feature_names
    if isinstance(features, str | os.PathLike):
        features = read_features(features, family=trained_on.family, feature_type=trained_on.feature_type)
    if isinstance(features, FeatureTable):
        return _encode_table(codec, features)
    values, _ = feature_values(features, names)
    if values.shape[-1] != len(names):
        raise DataError(
            f"features have {values.shape[-1]} columns", expected=f"{len(names)}, in the order of feature_names"
        )
    tokens, warning = _encode_blocks(codec, [values.reshape(-1, values.shape[-1])])
    return tokens.reshape(*values.shape[:-1], tokens.shape[-1]), warning


def _encode_table(codec: RowCodec, table: FeatureTable) -> tuple[NDArray[np.int64], str]:
    """Encode a table in blocks, so that the rows of a table in a file are not in memory together."""
    with located(table.path):
        columns = match_columns(table.names, codec.checkpoint.feature_names)
    log_ignored(table.names, codec.checkpoint.feature_names)
    count = len(table.rows)
    starts = range(0, max(1, count), READ_ROWS)
    blocks = (table.rows[np.arange(start, min(start + READ_ROWS, count))] for start in starts)
    tokens, warning = _encode_blocks(codec, (block[:, columns] for block in blocks))
    shape = (count,) if table.feature_type == AGGREGATED else (table.num_operators, table.rows_per_operator)
    return tokens.reshape(*shape, tokens.shape[-1]), warning


def _encode_blocks(codec: RowCodec, blocks: Iterable[RawRows]) -> tuple[NDArray[np.int64], str]:
    """Encode blocks of raw rows; return their tokens [n, 3C], and the range warning."""
    tokens, check = [], RangeCheck(codec.checkpoint)
    for block in blocks:
        encoded = codec.encode(block)
        check.add(len(block), encoded.ranges)
        tokens.append(encoded.indices)
    return np.concatenate(tokens), check.warning()
