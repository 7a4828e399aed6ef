"""Datasets of a file of ``predict-operators``."""

from __future__ import annotations

from pathlib import Path

from spinlock.errors import DataError
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.predictions.writing import FORMAT

MAX_CANDIDATES = 100
"""Maximum number of candidates of a row. It limits the memory; the modes of a density are fewer."""


def check_format(file: InputFile, path: Path) -> None:
    """Raise an error unless the file was written by ``predict-operators``."""
    if file.attributes.get("format") != FORMAT:
        remedy = "write one with spinlock predict-operators"
        raise DataError("is not a file of predictions", where=str(path), remedy=remedy)


def prediction_dataset(file: InputFile, path: Path, name: str) -> InputDataset:
    """Return a dataset of the file, or raise an error if it does not exist."""
    node = file.find(name)
    if node is None or node.is_group:
        raise DataError("does not exist", where=f"{path}:/{name}", expected="a file of spinlock predict-operators")
    return file.checked(node, f"{path}:/{name}", as_stored=True)
