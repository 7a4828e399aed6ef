"""Files of rollouts of 1-D or 2-D fields, in the layout of Spinlock or of The Well.

The layout of Spinlock is /outputs/fields [N, M, T, C, H, W], or [N, M, T, C, W] in one dimension. The optional dataset
/metadata/channels [N] is the number of channels of each operator. The layout of The Well is described in
:mod:`spinlock.io.well_rollouts`.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.names import join_names
from spinlock.io.operators import FIELDS
from spinlock.io.rollout_file import Fields, Rollouts
from spinlock.io.well_rollouts import WELL_GROUPS, WellRollouts

__all__ = ["Fields", "Rollouts", "SpinlockRollouts", "WellRollouts", "open_rollouts"]


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
    path = Path(path)
    file = open_hdf5(path)
    try:
        with reading(path):
            if FIELDS in file:
                return SpinlockRollouts(path, file)
            if any(group in file for group in WELL_GROUPS):
                return WellRollouts(path, file)
            raise DataError(
                f"contains no rollouts, but {join_names(sorted(file))}",
                where=str(path),
                expected=f"/{FIELDS} [N, M, T, C, H, W], or The Well's groups {', '.join(WELL_GROUPS)}",
            )
    except BaseException:
        file.close()
        raise


class SpinlockRollouts(Rollouts):
    """The dataset /outputs/fields, which ``generate`` writes with ``store_trajectories``."""

    layout = "spinlock"

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path, file)
        self._fields = file[FIELDS]
        shape = self._fields.shape if isinstance(self._fields, h5py.Dataset) else None
        where = f"{path}:/{FIELDS}"
        if shape is None or len(shape) not in (5, 6) or 0 in shape:
            raise DataError(f"shape {shape}", where=where, expected="[N, M, T, C, H, W] or [N, M, T, C, W], not empty")
        if self._fields.dtype.kind not in "fiu":
            raise DataError(f"has type {self._fields.dtype}", where=where, expected="real numbers")
        self.num_operators, self.realizations, self.frames = shape[:3]
        self.grid = (shape[4], shape[5]) if len(shape) == 6 else (1, shape[4])
        self._channels = _channel_counts(file, shape[0], shape[3], str(path))

    def channels(self, operator: int) -> int:
        """Return the number of channels of an operator: /metadata/channels if it exists, else all."""
        return int(self._channels[operator])

    def _read(self, operator: int) -> NDArray[Any]:
        values = np.asarray(self._fields[operator, :, :, : self.channels(operator)])
        return values.reshape(*values.shape[:3], *self.grid)


def _channel_counts(file: Any, operators: int, channels: int, where: str) -> NDArray[np.int64]:
    """Return /metadata/channels [N] if it exists, else ``channels`` for each operator."""
    if "metadata/channels" not in file:
        return np.full(operators, channels)
    counts = np.asarray(file["metadata/channels"][()])
    if counts.shape != (operators,) or counts.dtype.kind not in "iu" or counts.min() < 1 or counts.max() > channels:
        raise DataError(
            f"/metadata/channels {counts.shape} does not fit", where=where, expected=f"[{operators}] of 1 to {channels}"
        )
    return counts.astype(np.int64)
