"""The base class of readers of rollouts.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.annotations import AnnotatedFile
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.dataset import InputDataset

Fields = NDArray[np.float32]

ALL_FRAMES = slice(None)

MAX_SPACING = 1 / 16
"""Maximum spacing of the float32 numbers near the values of a field, in standard deviations of the field."""


class Rollouts(AnnotatedFile):
    """An open file of rollouts.

    Attributes
    ----------
    layout
        Name of the file layout.
    num_operators
        Number of operators N.
    realizations
        Number of realizations M of each operator.
    frames
        Number of frames T.
    grid
        Grid points (H, W).
    """

    layout: str
    num_operators: int
    realizations: int
    frames: int
    grid: tuple[int, int]

    @cached_property
    def offsets(self) -> NDArray[np.float64]:
        """Number that is subtracted from each channel in float64, [C].

        It is 0 unless the fields are float64 or wide integers, and the standard deviation of some operator is less than
        16 times the spacing of float32 numbers near its values, as that of a pressure on top of an atmosphere. Then it
        is the mean of the channel over the first and last frames of all operators, so that the features of all
        operators are comparable.
        """
        counts = [self.channels(operator) for operator in range(self.num_operators)]
        total, weight, needed = np.zeros((3, max(counts)))
        for operator in range(self.num_operators) if self._is_double() else ():
            with reading(self.path), np.errstate(all="ignore"):
                ends = [self._read(operator, frames) for frames in (slice(0, 1), slice(self.frames - 1, self.frames))]
                values = np.concatenate(ends, axis=1, dtype=np.float64)
                spread, size = values.std(axis=(0, 1, 3, 4)), np.abs(values).max(axis=(0, 1, 3, 4))
                mean, channels = values.mean(axis=(0, 1, 3, 4)), slice(0, counts[operator])
            usable = np.isfinite(spread) & (spread > 0)
            needed[channels] += usable & (np.finfo(np.float32).eps * size > MAX_SPACING * spread)
            total[channels] += np.where(usable, mean, 0.0)
            weight[channels] += usable
        return np.where(needed > 0, total / np.maximum(weight, 1), 0.0)

    def channels(self, operator: int) -> int:
        """Return the number of channels C of an operator."""
        raise NotImplementedError

    def read_operator(self, operator: int, scale: float = 1.0) -> Fields:
        """Read all realizations of one operator.

        Parameters
        ----------
        operator
            Position of the operator.
        scale
            Factor by which all values are multiplied.

        Returns
        -------
        numpy.ndarray
            float32 [M, T, C, H, W] without the ``offsets``; values outside the float32 range become infinite.
        """
        offsets = self.offsets[: self.channels(operator), None, None]
        with reading(self.path), np.errstate(over="ignore"):
            values = self._read(operator)
            if offsets.any():
                values = values.astype(np.float64) - offsets
            if scale != 1:  # in float64, so that a small scale brings large values into the float32 range
                values = values.astype(np.float64) * scale
            return np.ascontiguousarray(values, dtype=np.float32)

    def why_missing(self, operator: int, frame: int) -> str:
        """Return why values of a frame are missing, as the end of a sentence, or no text if the file contains them."""
        with reading(self.path):
            reasons = (dataset.why_missing(*place) for dataset, place in self._places(operator, frame))
            return next((reason for reason in reasons if reason), "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the content that was read."""
        subtracted = [
            f"{offset:.9g} is subtracted from channel {channel}, which varies in digits that float32 does not have"
            for channel, offset in enumerate(self.offsets.tolist())
            if offset
        ]
        return (*super().notes, *subtracted)

    def _is_double(self) -> bool:
        """Return whether some field is stored with more digits than float32 has."""
        raise NotImplementedError

    def _places(self, operator: int, frame: int) -> Iterator[tuple[InputDataset, tuple[slice | int, ...]]]:
        """Yield the datasets with values of a frame of an operator, and where in them these are."""
        raise NotImplementedError

    def _read(self, operator: int, frames: slice = ALL_FRAMES) -> NDArray[Any]:
        """Read all realizations of an operator, or some frames of them, [M, T, C, H, W], in the type of the file."""
        raise NotImplementedError
