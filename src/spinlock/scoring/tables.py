"""The table that a tokenizer is evaluated on."""

from __future__ import annotations

import os
from typing import Any

from spinlock.io.arrays import feature_values
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.tokenizer import Tokenizer


def read_for(tokenizer: Tokenizer, table: Any) -> FeatureTable:
    """Return the table of a dataset that has the family and type of a tokenizer's training table.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        A path, a data frame, an array with the columns of the tokenizer, or a table, which is returned as it is.

    Raises
    ------
    DataError
        The table cannot be read.
    """
    if isinstance(table, FeatureTable):
        return table
    checkpoint = tokenizer.checkpoint
    family, feature_type = checkpoint.dataset.family, checkpoint.dataset.feature_type
    if isinstance(table, str | os.PathLike):
        return read_features(table, family=family, feature_type=feature_type)
    names = checkpoint.feature_names
    values, _ = feature_values(table, names)
    return read_features(values, family=family, feature_type=feature_type, feature_names=names)
