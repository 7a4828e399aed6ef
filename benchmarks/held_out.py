"""Test rows that no method sees while it is fitted or selected, and the quality of a model on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import spinlock as sl
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec import make_codec

TEST_FRACTION = 0.15
"""Fraction of the operators in the test set."""


def split_test_operators(table: sl.FeatureTable, seed: int) -> tuple[sl.FeatureTable, sl.FeatureTable]:
    """Return the table of the operators for fitting, and the table of the test operators."""
    order = np.random.default_rng([seed, 15]).permutation(table.num_operators)
    count = round(TEST_FRACTION * table.num_operators)
    return _select(table, np.sort(order[count:])), _select(table, np.sort(order[:count]))


def _select(table: sl.FeatureTable, operators: NDArray[np.int64]) -> sl.FeatureTable:
    per_operator = table.rows_per_operator
    positions = (operators[:, None] * per_operator + np.arange(per_operator)).ravel()
    rows = table.rows[positions]
    return sl.read_features(
        rows if per_operator == 1 else rows.reshape(len(operators), per_operator, -1),
        family=table.family,
        feature_type=table.feature_type,
        feature_names=table.names,
    )


def rate_settings(bits: int, seed: int, assignment: str) -> dict[str, Any]:
    """Return the configuration keys of a run whose tokens have at most ``bits`` bits per row.

    A target quality of 1 makes the run use as many bits as it may. With the normalization ``standard``, normalized
    units are the z-scored, clipped units of the quality, so that all methods minimize the error that is measured.
    """
    return {
        "split_seed": seed,
        "random_seed": seed,
        "max_bits": bits,
        "target_quality": 1.0,
        "assignment": assignment,
        "normalization_method": "standard",
    }


def token_quality(model: CategoricalVQVAE, rows: Tensor) -> float:
    """Return the quality 1 - sum (x - x^)^2 / sum x^2 of rows [n, D] that are encoded and decoded.

    The Python interface measures a :class:`spinlock.Tokenizer` with raw rows. This function measures a network alone,
    with rows in normalized units.
    """
    codec = make_codec(model)
    with torch.no_grad():
        restored = codec.decode(codec.encode(rows).indices)
    return sl.metrics.reconstruction_quality(rows.numpy(), restored.numpy())
