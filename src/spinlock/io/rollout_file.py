"""The base class of readers of rollouts.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points (``H`` = 1 in 1-D).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.annotations import AnnotatedFile
from spinlock.io.hdf5 import reading

Fields = NDArray[np.float32]


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

    def channels(self, operator: int) -> int:
        """Return the number of channels C of an operator."""
        raise NotImplementedError

    def runs(self, operator: int, scale: float = 1.0) -> Fields:
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
            float32 [M, T, C, H, W]; values outside the float32 range become infinite.
        """
        with reading(self.path), np.errstate(over="ignore"):
            values = self._read(operator)
            if scale != 1:  # in float64, so that a small scale brings large values into the float32 range
                values = values.astype(np.float64) * scale
            return np.ascontiguousarray(values, dtype=np.float32)

    def _read(self, operator: int) -> NDArray[Any]:
        """Read all realizations of one operator, [M, T, C, H, W], in the type of the file."""
        raise NotImplementedError
