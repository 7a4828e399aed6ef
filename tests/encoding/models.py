"""A small trained model, and tables for it."""

from pathlib import Path

import numpy as np
import torch

from spinlock import Tokenizer
from spinlock.encoding import RowCodec
from tests.cli.workspace import NAMES, SMALL, small_table

TRAINING, OTHER = small_table(160)[:80], small_table(160)[80:]
"""Training rows [80, 12] of the model, and other rows [80, 12] of the same distribution."""


def saved_model(folder: Path, assignment: str = "local", rows: np.ndarray = TRAINING) -> Path:
    """The checkpoint of a tokenizer that is trained on rows, :data:`TRAINING` by default."""
    settings = {key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")}
    tokenizer = Tokenizer.fit(rows, settings, feature_names=NAMES, assignment=assignment)
    path = folder / f"{assignment}.pt"
    tokenizer.save(path)
    return path


def codec_of(path: Path) -> RowCodec:
    """The model of a checkpoint on the CPU."""
    return RowCodec.of(Tokenizer.load(path).checkpoint, torch.device("cpu"))


def with_faults(rows: np.ndarray) -> np.ndarray:
    """The rows with three missing cells in the first row and two very large cells in the second."""
    faulty = rows.copy()
    faulty[0, [1, 5, 9]] = [np.nan, np.inf, -np.inf]
    faulty[1, [0, 7]] = 1e6
    return faulty
