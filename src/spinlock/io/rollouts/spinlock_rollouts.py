"""Files of rollouts of 1-D or 2-D fields, in the layout of Spinlock or of The Well.

The layout of Spinlock is /outputs/fields [N, M, T, C, H, W], or [N, M, T, C, W] in one dimension. The optional dataset
/metadata/channels [N] is the number of channels of each operator. The layout of The Well is described in
:mod:`spinlock.io.rollouts.well_rollouts`.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.arrays.row_precision import row_dtype
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import join_names
from spinlock.io.operators import FIELDS
from spinlock.io.rollouts.base import ALL_FRAMES, Rollouts
from spinlock.io.rollouts.well_rollouts import WELL_GROUPS, WellRollouts


def open_rollouts(path: Path | str) -> Rollouts:
    """Open a file of rollouts read-only.

    Parameters
    ----------
    path
        HDF5 file in the layout of Spinlock or of The Well.

    Returns
    -------
    Rollouts
        A context manager.

    Raises
    ------
    DataError
        The file cannot be opened, or contains no rollouts of 1-D or 2-D fields.
    """
    file = InputFile.open(path)
    try:
        with reading(file.path):
            if file.find(FIELDS) is not None:
                return SpinlockRollouts(file)
            names = file.names()
            if any(group in names for group in WELL_GROUPS):
                return WellRollouts(file)
            found = f", but {join_names(sorted(names))}" if names else ""
            raise DataError(
                f"contains no rollouts{found}",
                where=str(file.path),
                expected=f"/{FIELDS} [N, M, T, C, H, W], or The Well's groups {', '.join(WELL_GROUPS)}",
            )
    except BaseException:
        file.close()
        raise


class SpinlockRollouts(Rollouts):
    """The dataset /outputs/fields, which ``generate`` writes with ``store_trajectories``."""

    layout = "spinlock"

    def __init__(self, file: InputFile) -> None:
        super().__init__(file)
        self._fields = file.dataset(FIELDS)
        shape, where = self._fields.shape, self._fields.where
        if shape is None or len(shape) not in (5, 6) or 0 in shape:
            raise DataError(f"shape {shape}", where=where, expected="[N, M, T, C, H, W] or [N, M, T, C, W], not empty")
        if self._fields.dtype.kind not in "fiu":
            raise DataError(f"has type {self._fields.dtype}", where=where, expected="real numbers")
        self.num_operators, self.realizations, self.frames = shape[:3]
        self.grid = (shape[4], shape[5]) if len(shape) == 6 else (1, shape[4])
        self._channels = _channel_counts(file, shape[0], shape[3])

    def channels(self, operator: int) -> int:
        """Return the number of channels of an operator: /metadata/channels if it exists, else all."""
        return int(self._channels[operator])

    def _is_double(self) -> bool:
        return row_dtype(self._fields.dtype) == np.float64

    def _places(self, operator: int, frame: int) -> Iterator[tuple[InputDataset, tuple[slice | int, ...]]]:
        yield self._fields, (operator, ALL_FRAMES, frame, slice(self.channels(operator)))

    def _read(self, operator: int, frames: slice = ALL_FRAMES) -> NDArray[Any]:
        values = self._fields[operator, :, frames, : self.channels(operator)]
        return values.reshape(*values.shape[:3], *self.grid)


def _channel_counts(file: InputFile, operators: int, channels: int) -> NDArray[np.int64]:
    """Return /metadata/channels [N] if it exists, else ``channels`` for each operator."""
    if file.find("metadata/channels") is None:
        return np.full(operators, channels)
    stored = file.dataset("metadata/channels")
    expected = f"[{operators}] integers of 1 to {channels}"
    if stored.shape != (operators,) or stored.dtype.kind not in "iu":
        raise DataError(f"has shape {stored.shape} and type {stored.dtype}", where=stored.where, expected=expected)
    counts = stored.read()
    if counts.min() < 1 or counts.max() > channels:
        raise DataError(f"contains {counts.min()} to {counts.max()} channels", where=stored.where, expected=expected)
    return counts.astype(np.int64)
