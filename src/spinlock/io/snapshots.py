"""Frames of the fields of some operators of a dataset, /snapshots, from which pictures of operators are drawn.

Letters: ``S`` operators with snapshots, ``F`` frames, ``C`` channels, ``H`` x ``W`` points.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile

GROUP = "snapshots"
"""Group of the datasets ``fields``, ``operators`` and ``steps``."""


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Frames of the fields of some operators.

    Attributes
    ----------
    fields
        float32 [S, F, C, H, W], NaN in channels that an operator does not have.
    operators
        Positions [S] of the operators in the dataset, ascending.
    steps
        Numbers [F] of the frames in the rollout, ascending.
    """

    fields: NDArray[np.float32]
    operators: NDArray[np.int64]
    steps: NDArray[np.int64]


def read_snapshots(path: Path | str) -> Snapshots | None:
    """Read the snapshots of a dataset file.

    Parameters
    ----------
    path
        HDF5 file.

    Returns
    -------
    Snapshots or None
        None if the file has no group /snapshots.

    Raises
    ------
    DataError
        The file cannot be read, or its group /snapshots does not have the layout of :class:`Snapshots`.
    """
    with InputFile.open(path) as file, reading(file.path):
        if file.find(GROUP) is None:
            return None
        fields = file.dataset(f"{GROUP}/fields")
        shape = fields.shape
        if shape is None or len(shape) != 5 or 0 in shape or fields.dtype.kind != "f":
            raise DataError(
                f"has shape {shape} and type {fields.dtype}",
                where=fields.where,
                expected="floats [S, F, C, H, W], not empty",
            )
        operators = _positions(file.dataset(f"{GROUP}/operators"), shape[0])
        steps = _positions(file.dataset(f"{GROUP}/steps"), shape[1])
        return Snapshots(fields[:].astype(np.float32), operators, steps)


def _positions(dataset: InputDataset, count: int) -> NDArray[np.int64]:
    """Return a dataset [count] of ascending numbers that are not negative."""
    expected = f"[{count}] integers"
    if dataset.shape != (count,) or dataset.dtype.kind not in "iu":
        raise DataError(f"has shape {dataset.shape} and type {dataset.dtype}", where=dataset.where, expected=expected)
    values: NDArray[Any] = dataset.read().astype(np.int64)
    if values[0] < 0 or np.any(np.diff(values) <= 0):
        raise DataError("is not ascending, or has negative numbers", where=dataset.where, expected=expected)
    return values
