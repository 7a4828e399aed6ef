"""Rollouts in the layout of The Well (Ohana et al., 2024).

Each trajectory is read as an operator with one realization. Its channels are the components of all time-dependent
fields under t0_fields, t1_fields and t2_fields (tensors of order 0, 1 and 2).

Letters: ``T`` frames, ``C`` channels, ``c`` components of one field, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.names import join_names
from spinlock.io.rollout_file import Rollouts

WELL_GROUPS = ("t0_fields", "t1_fields", "t2_fields")


class WellRollouts(Rollouts):
    """The time-dependent fields of a file of The Well, with all components as channels."""

    layout = "The Well"

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path, file)
        where = str(path)
        if "n_trajectories" not in file.attrs or "dimensions" not in file:
            missing = "attribute n_trajectories" if "n_trajectories" not in file.attrs else "group dimensions"
            raise DataError(f"has no {missing}", where=where, expected="a complete file of The Well")
        axes = len(np.atleast_1d(file["dimensions"].attrs.get("spatial_dims", [])))
        if axes not in (1, 2):
            raise DataError(f"has {axes} spatial dimensions", where=where, expected="1 or 2")
        self._axes = axes
        count = np.asarray(file.attrs["n_trajectories"])
        if count.size != 1 or count.dtype.kind not in "iu" or count.item() < 1:
            raise DataError(
                f"attribute n_trajectories is {count.tolist()!r}", where=where, expected="an integer of at least 1"
            )
        self.num_operators = int(count.item())
        self.realizations = 1
        self._fields = list(self._time_varying(where))
        if not self._fields:
            raise DataError(
                "has no time-dependent field",
                where=where,
                expected=f"one named by field_names under {join_names(WELL_GROUPS)}",
            )
        self.frames, self.grid, self._num_channels = self._check_shapes(where)

    def channels(self, operator: int) -> int:
        """Return the number of components of all fields together; it is the same for all operators."""
        return self._num_channels

    def _time_varying(self, where: str) -> Iterator[tuple[Any, int]]:
        """Yield the dataset and the tensor order of each field with a time axis, in the order of the file's names."""
        for order, group in enumerate(WELL_GROUPS):
            for name in _texts(self._file[group].attrs.get("field_names", ())) if group in self._file else ():
                dataset = self._file[group].get(name)
                if dataset is None:
                    raise DataError(f"/{group} names a field {name!r} that does not exist", where=where)
                if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
                    raise DataError("contains no real numbers", where=f"{where}:/{group}/{name}", expected="a field")
                if bool(dataset.attrs.get("time_varying", True)):
                    yield dataset, order

    def _check_shapes(self, where: str) -> tuple[int, tuple[int, int], int]:
        """Return the numbers of frames, grid points and channels, after checking that the fields are consistent."""
        shapes, channels = set(), 0
        for dataset, order in self._fields:
            per_sample = self._varies_by_sample(dataset)
            expected = int(per_sample) + 1 + sum(self._varies_by_axis(dataset)) + order
            if len(dataset.shape) != expected or 0 in dataset.shape:
                raise DataError(
                    f"shape {dataset.shape}",
                    where=f"{where}:{dataset.name}",
                    expected=f"{expected} axes, as its attributes state, not empty",
                )
            first_frame = self._trajectory(dataset, order, 0, num_frames=1)
            shapes.add((dataset.shape[int(per_sample)], first_frame.shape[2:]))
            channels += first_frame.shape[0]
            if per_sample and dataset.shape[0] != self.num_operators:
                raise DataError(
                    f"{dataset.shape[0]} trajectories",
                    where=f"{where}:{dataset.name}",
                    expected=f"{self.num_operators}",
                )
        if len(shapes) > 1:
            raise DataError(
                f"the fields differ in the number of frames or in the grid: {sorted(shapes)}",
                where=where,
                expected="the same for all fields",
            )
        frames, grid = shapes.pop()
        return frames, grid if self._axes == 2 else (1, grid[0]), channels

    def _read(self, operator: int) -> NDArray[Any]:
        fields = [self._trajectory(dataset, order, operator) for dataset, order in self._fields]
        values = np.concatenate(fields).swapaxes(0, 1)  # [T, C, x] or [T, C, x, y]
        return values.reshape(1, *values.shape[:2], *self.grid)

    def _trajectory(self, dataset: Any, order: int, operator: int, num_frames: int | None = None) -> NDArray[Any]:
        """Read one trajectory of one field, or its first ``num_frames`` frames, [c, T, x] or [c, T, x, y]."""
        frames = slice(0, num_frames)
        values = np.asarray(dataset[operator, frames] if self._varies_by_sample(dataset) else dataset[frames])
        axis_names = _texts(self._file["dimensions"].attrs["spatial_dims"])
        for axis, varies in enumerate(self._varies_by_axis(dataset)):
            if not varies:  # the field is constant along this axis and is stored without it
                size = len(self._file["dimensions"][axis_names[axis]])
                values = np.repeat(np.expand_dims(values, 1 + axis), size, 1 + axis)
        if order == 0:
            return values[None]
        if order == 1:
            return np.moveaxis(values, -1, 0)
        rows, columns = np.indices(values.shape[-2:]).reshape(2, -1)
        if dataset.attrs.get("symmetric", False):
            rows, columns = np.triu_indices(values.shape[-1])
        elif dataset.attrs.get("antisymmetric", False):
            rows, columns = np.triu_indices(values.shape[-1], 1)
        return np.moveaxis(values[..., rows, columns], -1, 0)

    def _varies_by_sample(self, dataset: Any) -> bool:
        """Return whether a field has an axis of trajectories."""
        return bool(dataset.attrs.get("sample_varying", True))

    def _varies_by_axis(self, dataset: Any) -> list[bool]:
        """Return for each spatial dimension whether a field has an axis for it."""
        return [bool(value) for value in np.atleast_1d(dataset.attrs.get("dim_varying", [True] * self._axes))]


def _texts(values: Any) -> list[str]:
    """Return the names in an attribute, which can be stored as variable-length text or as bytes."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in np.atleast_1d(values).tolist()]
