"""Rollouts in the layout of The Well (Ohana et al., 2024).

Each trajectory is read as an operator with one realization. Its channels are the components of all time-dependent
fields under t0_fields, t1_fields and t2_fields (tensors of order 0, 1 and 2).

Letters: ``T`` frames, ``C`` channels, ``c`` components of one field, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError, shortened
from spinlock.io.arrays.row_precision import row_dtype
from spinlock.io.inputs import attributes
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import join_names
from spinlock.io.rollouts.base import ALL_FRAMES, Rollouts

WELL_GROUPS = ("t0_fields", "t1_fields", "t2_fields")

MAX_AXIS = 2**20
"""Maximum number of points along an axis on which a field is constant, because the field is repeated along it."""


class WellRollouts(Rollouts):
    """The time-dependent fields of a file of The Well, with all components as channels."""

    layout = "The Well"

    def __init__(self, file: InputFile) -> None:
        super().__init__(file)
        where = str(file.path)
        dimensions = file.find("dimensions")
        if "n_trajectories" not in file.attributes or dimensions is None:
            missing = "group dimensions" if dimensions is None else "attribute n_trajectories"
            raise DataError(f"has no {missing}", where=where, expected="a complete file of The Well")
        self._axis_names = attributes.texts(dimensions.attributes, "spatial_dims", f"{where}:/dimensions")
        self._axes = len(self._axis_names)
        if self._axes not in (1, 2):
            raise DataError(f"has {self._axes} spatial dimensions", where=where, expected="1 or 2")
        stated = file.attributes.get("n_spatial_dims", self._axes)
        if np.ravel(stated).tolist() != [self._axes]:
            what = f"attribute n_spatial_dims is {shortened(str(stated))}"
            raise DataError(what, where=where, expected=f"{self._axes}, the number of spatial_dims")
        self.num_operators = attributes.positive_integer(file.attributes, "n_trajectories", where)
        self.realizations = 1
        self._fields = list(self._time_varying(where))
        if not self._fields:
            raise DataError(
                "has no time-dependent field",
                where=where,
                expected=f"one named by field_names under {join_names(WELL_GROUPS)}",
            )
        self.frames, self.grid, self._num_channels = self._check_shapes(where)
        points = zip(self._axis_names, self.grid[-self._axes :], strict=True)
        self._note_coordinates({"time": self.frames, **dict(points)})

    def channels(self, operator: int) -> int:
        """Return the number of components of all fields together; it is the same for all operators."""
        return self._num_channels

    def _time_varying(self, where: str) -> Iterator[tuple[InputDataset, int]]:
        """Yield the dataset and the tensor order of each field with a time axis, in the order of the file's names."""
        for order, group in enumerate(WELL_GROUPS):
            node = self._file.find(group)
            names = () if node is None else attributes.texts(node.attributes, "field_names", f"{where}:/{group}")
            if len(set(names)) < len(names):
                what = f"field_names of /{group} contains a name twice"
                raise DataError(what, where=where, expected="each field once")
            for name in names:
                field = self._file.find(f"{group}/{name}")
                place = f"{where}:/{group}/{name}"
                if field is None:
                    raise DataError(f"/{group} names a field {name!r} that does not exist", where=where)
                if field.is_group:
                    raise DataError("contains no real numbers", where=place, expected="a field")
                if not attributes.flag(field.attributes, "time_varying", True, place):
                    continue
                dataset = self._file.checked(field, place)
                if dataset.dtype.kind not in "fiu" or dataset.shape is None:
                    raise DataError("contains no real numbers", where=place, expected="a field")
                yield dataset, order

    def _check_shapes(self, where: str) -> tuple[int, tuple[int, int], int]:
        """Return the numbers of frames, grid points and channels, after checking that the fields are consistent."""
        shapes, channels = set(), 0
        for dataset, order in self._fields:
            per_sample = self._varies_by_sample(dataset)
            expected = int(per_sample) + 1 + sum(self._varies_by_axis(dataset)) + order
            shape = dataset.shape or ()
            if len(shape) != expected or 0 in shape:
                raise DataError(
                    f"shape {shape}",
                    where=dataset.where,
                    expected=f"{expected} axes, as its attributes state, not empty",
                )
            first_frame = self._trajectory(dataset, order, 0, slice(0, 1))
            shapes.add((shape[int(per_sample)], first_frame.shape[2:]))
            channels += first_frame.shape[0]
            if per_sample and shape[0] != self.num_operators:
                raise DataError(f"{shape[0]} trajectories", where=dataset.where, expected=f"{self.num_operators}")
        if len(shapes) > 1:
            raise DataError(
                f"the fields differ in the number of frames or in the grid: {sorted(shapes)}",
                where=where,
                expected="the same for all fields",
            )
        frames, grid = shapes.pop()
        return frames, grid if self._axes == 2 else (1, grid[0]), channels

    def _is_double(self) -> bool:
        return any(row_dtype(dataset.dtype) == np.float64 for dataset, _ in self._fields)

    def _places(self, operator: int, frame: int) -> Iterator[tuple[InputDataset, tuple[slice | int, ...]]]:
        for dataset, _ in self._fields:
            yield dataset, (operator, frame) if self._varies_by_sample(dataset) else (frame,)

    def _note_coordinates(self, size_of: Mapping[str, int]) -> None:
        """Note coordinates that do not fit the fields. Features need no coordinates, so that they are not an error.

        Parameters
        ----------
        size_of
            {name: number of points} of the axes, and of the time.
        """
        for name, size in size_of.items():
            place = f"dimensions/{name}"
            try:
                if self._file.find(place) is None:
                    continue
                coordinates = self._file.dataset(place)
            except DataError as error:
                self._file.note(f"coordinates are not used: {error}")
                continue
            shape = coordinates.shape or ()
            if shape[-1:] != (size,):
                self._file.note(f"{place} has the shape {shape}, but the fields have {size} points along {name}")
            elif coordinates.dtype.kind not in "fiu":
                self._file.note(f"{place} contains no real numbers")
            elif not all(np.isfinite(coordinates[row]).all() for row in range(shape[0])):
                self._file.note(f"{place} contains missing or infinite values")

    def _read(self, operator: int, frames: slice = ALL_FRAMES) -> NDArray[Any]:
        fields = [self._trajectory(dataset, order, operator, frames) for dataset, order in self._fields]
        values = np.concatenate(fields).swapaxes(0, 1)  # [T, C, x] or [T, C, x, y]
        return values.reshape(1, *values.shape[:2], *self.grid)

    def _trajectory(self, dataset: InputDataset, order: int, operator: int, frames: slice = ALL_FRAMES) -> NDArray[Any]:
        """Read one trajectory of one field, or some of its frames, [c, T, x] or [c, T, x, y]."""
        values = dataset[operator, frames] if self._varies_by_sample(dataset) else dataset[frames]
        for axis, varies in enumerate(self._varies_by_axis(dataset)):
            if not varies:  # the field is constant along this axis and is stored without it
                size = self._axis_size(self._axis_names[axis])
                values = np.repeat(np.expand_dims(values, 1 + axis), size, 1 + axis)
        if order == 0:
            return values[None]
        if order == 1:
            return np.moveaxis(values, -1, 0)
        rows, columns = np.indices(values.shape[-2:]).reshape(2, -1)
        if attributes.flag(dataset.attributes, "symmetric", False, dataset.where):
            rows, columns = np.triu_indices(values.shape[-1])
        elif attributes.flag(dataset.attributes, "antisymmetric", False, dataset.where):
            rows, columns = np.triu_indices(values.shape[-1], 1)
        return np.moveaxis(values[..., rows, columns], -1, 0)

    def _axis_size(self, name: str) -> int:
        """Return the number of grid points along an axis.

        The coordinates are [W], or [B, W] if they differ between the B trajectories.
        """
        coordinates = self._file.dataset(f"dimensions/{name}")
        if not coordinates.shape or not 0 < coordinates.shape[-1] <= MAX_AXIS:
            raise DataError(f"shape {coordinates.shape}", where=coordinates.where, expected="[W] or [B, W]")
        return coordinates.shape[-1]

    def _varies_by_sample(self, dataset: InputDataset) -> bool:
        """Return whether a field has an axis of trajectories."""
        return attributes.flag(dataset.attributes, "sample_varying", True, dataset.where)

    def _varies_by_axis(self, dataset: InputDataset) -> list[bool]:
        """Return for each spatial dimension whether a field has an axis for it."""
        return attributes.flags(dataset.attributes, "dim_varying", [True] * self._axes, dataset.where)
