"""Rollouts that somebody simulated: our own layout, and that of The Well (Ohana et al. 2024), 1-D and 2-D fields.

Ours is /outputs/fields [N, M, T, C, H, W], or [N, M, T, C, W] in one dimension; /metadata/channels [N] says how many of
the C channels an operator has. In a file of The Well each trajectory is an operator with one run: the channels are the
components of all fields under t0_fields, t1_fields and t2_fields that change in time.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.annotations import AnnotatedFile
from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.names import listed
from spinlock.io.operators import FIELDS

Fields = NDArray[np.float32]

WELL_GROUPS = ("t0_fields", "t1_fields", "t2_fields")


class Rollouts(AnnotatedFile):
    """An open file of rollouts: ``num_operators`` N, ``realizations`` M, ``frames`` T and ``grid`` (H, W)."""

    layout: str
    num_operators: int
    realizations: int
    frames: int
    grid: tuple[int, int]

    def channels(self, operator: int) -> int:
        """C of an operator."""
        raise NotImplementedError

    def runs(self, operator: int, scale: float = 1.0) -> Fields:
        """The runs of one operator, [M, T, C, H, W] float32, as they are in the file, times ``scale``."""
        with reading(self.path), np.errstate(over="ignore"):
            values = self._read(operator)
            if scale != 1:  # before what is larger than float32 becomes infinite
                values = values.astype(np.float64) * scale
            return np.ascontiguousarray(values, dtype=np.float32)

    def _read(self, operator: int) -> NDArray[Any]:
        raise NotImplementedError


def open_rollouts(path: Path | str) -> Rollouts:
    """Open a file of either layout, read-only; a context manager.

    Raises:
        DataError: the file cannot be opened, or holds no rollouts of 1-D or 2-D fields.
    """
    path = Path(path)
    file = open_hdf5(path)
    try:
        with reading(path):
            if FIELDS in file:
                return OwnRollouts(path, file)
            if any(group in file for group in WELL_GROUPS):
                return WellRollouts(path, file)
            raise DataError(
                f"holds no rollouts; it has {listed(sorted(file))}",
                where=str(path),
                expected=f"/{FIELDS} [N, M, T, C, H, W], or The Well's groups {', '.join(WELL_GROUPS)}",
            )
    except BaseException:
        file.close()
        raise


class OwnRollouts(Rollouts):
    """/outputs/fields, as ``generate`` keeps them with ``store_trajectories``."""

    layout = "spinlock"

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path, file)
        self._fields = file[FIELDS]
        shape = self._fields.shape if isinstance(self._fields, h5py.Dataset) else None
        where = f"{path}:/{FIELDS}"
        if shape is None or len(shape) not in (5, 6) or 0 in shape:
            raise DataError(f"shape {shape}", where=where, expected="[N, M, T, C, H, W] or [N, M, T, C, W], none empty")
        if self._fields.dtype.kind not in "fiu":
            raise DataError(f"holds {self._fields.dtype}", where=where, expected="real numbers")
        self.num_operators, self.realizations, self.frames = shape[:3]
        self.grid = (shape[4], shape[5]) if len(shape) == 6 else (1, shape[4])
        self._channels = _channel_counts(file, shape[0], shape[3], str(path))

    def channels(self, operator: int) -> int:
        """C of an operator: /metadata/channels where the file has it, else all."""
        return int(self._channels[operator])

    def _read(self, operator: int) -> NDArray[Any]:
        values = np.asarray(self._fields[operator, :, :, : self.channels(operator)])
        return values.reshape(*values.shape[:3], *self.grid)


class WellRollouts(Rollouts):
    """The fields of a file of The Well that change in time, all components as channels."""

    layout = "The Well"

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path, file)
        where = str(path)
        if "n_trajectories" not in file.attrs or "dimensions" not in file:
            missing = "attribute n_trajectories" if "n_trajectories" not in file.attrs else "group dimensions"
            raise DataError(f"has fields of The Well but no {missing}", where=where, expected="a complete file of it")
        axes = len(np.atleast_1d(file["dimensions"].attrs.get("spatial_dims", [])))
        if axes not in (1, 2):
            raise DataError(f"has {axes} spatial dimensions", where=where, expected="1 or 2")
        self._axes = axes
        count = np.asarray(file.attrs["n_trajectories"])
        if count.size != 1 or count.dtype.kind not in "iu" or count.item() < 1:
            raise DataError(
                f"attribute n_trajectories is {count.tolist()!r}", where=where, expected="a whole number of at least 1"
            )
        self.num_operators = int(count.item())
        self.realizations = 1
        self._fields = list(self._time_varying(where))
        if not self._fields:
            raise DataError(
                "has no field that changes in time",
                where=where,
                expected=f"one named by field_names under {listed(WELL_GROUPS)}",
            )
        self._sizes(where)

    def _time_varying(self, where: str) -> Iterator[tuple[Any, int]]:
        """(dataset, order of the tensor) of each field that has a time axis, in the file's order of names."""
        for order, group in enumerate(WELL_GROUPS):
            for name in _texts(self._file[group].attrs.get("field_names", ())) if group in self._file else ():
                dataset = self._file[group].get(name)
                if dataset is None:
                    raise DataError(f"/{group} names a field {name!r} that is not there", where=where)
                if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
                    raise DataError("holds no real numbers", where=f"{where}:/{group}/{name}", expected="a field")
                if bool(dataset.attrs.get("time_varying", True)):
                    yield dataset, order

    def _sizes(self, where: str) -> None:
        shapes = set()
        for dataset, order in self._fields:
            expected = int(self._varies(dataset)) + 1 + sum(self._dims(dataset)) + order
            if len(dataset.shape) != expected or 0 in dataset.shape:
                raise DataError(
                    f"shape {dataset.shape}",
                    where=f"{where}:{dataset.name}",
                    expected=f"{expected} axes by its own attributes, none empty",
                )
            values = self._trajectory(dataset, order, 0, head=1)
            shapes.add((dataset.shape[int(self._varies(dataset))], values.shape[2:]))
            if self._varies(dataset) and dataset.shape[0] != self.num_operators:
                raise DataError(
                    f"{dataset.shape[0]} trajectories",
                    where=f"{where}:{dataset.name}",
                    expected=f"{self.num_operators}",
                )
        if len(shapes) > 1:
            raise DataError(
                f"its fields differ in frames or grid: {sorted(shapes)}", where=where, expected="one of each"
            )
        (self.frames, grid) = shapes.pop()
        self.grid = grid if self._axes == 2 else (1, grid[0])
        self._count: int = sum(self._trajectory(dataset, order, 0, head=1).shape[0] for dataset, order in self._fields)

    def channels(self, operator: int) -> int:
        """All components of all fields."""
        return self._count

    def _read(self, operator: int) -> NDArray[Any]:
        parts = [self._trajectory(dataset, order, operator) for dataset, order in self._fields]
        values = np.concatenate(parts).swapaxes(0, 1)  # [T, C, x(, y)]
        return values.reshape(1, *values.shape[:2], *self.grid)

    def _trajectory(self, dataset: Any, order: int, operator: int, head: int | None = None) -> NDArray[Any]:
        """One trajectory of one field, [components, T, x(, y)]; only its first ``head`` frames if that is given."""
        frames = slice(0, head)
        values = np.asarray(dataset[operator, frames] if self._varies(dataset) else dataset[frames])
        for axis, varies in enumerate(self._dims(dataset)):
            if not varies:  # constant along that axis, and stored without it
                values = np.repeat(
                    np.expand_dims(values, 1 + axis), len(self._file["dimensions"][self._names[axis]]), 1 + axis
                )
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

    @property
    def _names(self) -> list[str]:
        return _texts(self._file["dimensions"].attrs["spatial_dims"])

    def _varies(self, dataset: Any) -> bool:
        return bool(dataset.attrs.get("sample_varying", True))

    def _dims(self, dataset: Any) -> list[bool]:
        return [bool(value) for value in np.atleast_1d(dataset.attrs.get("dim_varying", [True] * self._axes))]


def _texts(values: Any) -> list[str]:
    """Names from an attribute, stored as text of any length or as bytes."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in np.atleast_1d(values).tolist()]


def _channel_counts(file: Any, operators: int, channels: int, where: str) -> NDArray[np.int64]:
    """/metadata/channels [N] where it is there, else all C for each operator."""
    if "metadata/channels" not in file:
        return np.full(operators, channels)
    counts = np.asarray(file["metadata/channels"][()])
    if counts.shape != (operators,) or counts.dtype.kind not in "iu" or counts.min() < 1 or counts.max() > channels:
        raise DataError(
            f"/metadata/channels {counts.shape} does not fit", where=where, expected=f"[{operators}] of 1 to {channels}"
        )
    return counts.astype(np.int64)
