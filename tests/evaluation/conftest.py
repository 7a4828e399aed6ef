"""A small tokenizer with its table, and rows that it encoded."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import spinlock as sl
from spinlock.evaluation.reference import ReferenceRows, training_as_reference
from spinlock.evaluation.rows import Coder, EvaluatedRows
from spinlock.model.codec import make_codec
from tests.cli.workspace import NAMES, SMALL, small_table

SETTINGS = {key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")}


@dataclass(frozen=True)
class Case:
    """A tokenizer, its training table [240, 12], its validation rows, and its training rows as reference."""

    tokenizer: sl.Tokenizer
    table: NDArray[np.float32]
    rows: EvaluatedRows
    reference: ReferenceRows


def make_case(table: NDArray[np.float32], **settings: object) -> Case:
    """Train a tokenizer on a table [N, 12], and encode its validation and training rows."""
    tokenizer = sl.Tokenizer.fit(table, SETTINGS | settings, feature_names=NAMES)
    coder = Coder(make_codec(tokenizer.model), tokenizer.cleaner, tokenizer.device)
    split = tokenizer.checkpoint.split
    rows, train = (coder.evaluated(table[part], part, part) for part in (split.validation, split.train))
    return Case(tokenizer, table, rows, training_as_reference(train, rows))


@pytest.fixture(scope="session", params=["local", "joint"])
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(small_table(240), assignment=request.param, validation_fraction=0.3)
