"""Increasing functions of one variable that are linear between knots, one for each column.

Letters: ``n`` rows, ``D`` columns, ``Q`` knots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Curve = tuple[Floats, Floats]
"""Knots x of a function, and its values z at the knots."""


@dataclass(frozen=True, eq=False)
class ColumnScales:
    """Location and scale of increasing functions z = f(x) of D columns.

    ``center`` [D] is f^-1(0), and ``scale`` [D] is (b - a) / (f(b) - f(a)) with a = f^-1(-1) and b = f^-1(1). For a
    linear function z = (x - m) / s they are m and s.
    """

    center: Floats
    scale: Floats


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Knots:
    """Functions of D columns, constant outside their knots.

    Attributes
    ----------
    knots, scores
        Strictly increasing knots of each column, and the values there, [D, Q]. Only the first ``counts[d]`` entries of
        row d are used.
    counts
        Number of knots of each column, [D].
    """

    knots: Floats
    scores: Floats
    counts: NDArray[np.int64]

    @classmethod
    def of_curves(cls, curves: Sequence[Curve]) -> Self:
        """Create the functions from the knots and scores of each column, padded to the same length."""
        width = max((len(values) for values, _ in curves), default=2)
        knots, scores = np.zeros((2, len(curves), width))
        for row, (values, z) in enumerate(curves):
            knots[row, : len(values)] = values
            scores[row, : len(values)] = z
        return cls(knots, scores, np.array([len(values) for values, _ in curves], dtype=np.int64))

    def curves(self) -> list[Curve]:
        """Return the knots and scores of each column without padding."""
        counts = self.counts.tolist()
        return [(self.knots[i, :count], self.scores[i, :count]) for i, count in enumerate(counts)]

    def transform(self, x: Floats) -> Floats:
        """Return the values z [n, D] of the functions at x [n, D]."""
        z = np.empty(x.shape)
        for i, (knots, scores) in enumerate(self.curves()):
            z[:, i] = np.interp(x[:, i], knots, scores)
        return z

    def inverse(self, z: Floats) -> Floats:
        """Return the points x [n, D] with the values z [n, D]."""
        x = np.empty(z.shape)
        for i, (knots, scores) in enumerate(self.curves()):
            x[:, i] = np.interp(z[:, i], scores, knots)
        return x

    def scales(self) -> ColumnScales:
        """Return location and scale of the functions."""
        x = self.inverse(np.array([[-1.0], [0.0], [1.0]]).repeat(len(self.counts), axis=1))
        z = self.transform(x)  # differs from -1 or 1 if no training value is so small or so large
        return ColumnScales(x[1], (x[2] - x[0]) / (z[2] - z[0]))

    def state(self) -> dict[str, Any]:
        """Return the input of :meth:`from_state`."""
        return {"knots": self.knots, "scores": self.scores, "counts": self.counts}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore the functions from the result of :meth:`state`."""
        return cls(
            np.asarray(state["knots"], dtype=np.float64),
            np.asarray(state["scores"], dtype=np.float64),
            np.asarray(state["counts"], dtype=np.int64),
        )


def normal_scores(column: Floats, max_knots: int) -> Curve:
    """Return z = Phi^-1(F(x)), standardized, with mean ranks for equal values.

    Parameters
    ----------
    column
        Training values [n] of a column that is not constant.
    max_knots
        Maximum number of knots, apart from the two ends. With more distinct values, knots are selected.

    Returns
    -------
    values, z : numpy.ndarray
        Knots and scores.
    """
    from scipy.special import ndtri  # its import takes long, and encoding does not need it

    values, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    mid_rank = (np.cumsum(counts) - counts / 2) / len(column)
    z = ndtri(mid_rank)
    row_scores = z[inverse]
    z = (z - row_scores.mean()) / row_scores.std()
    if len(values) > max_knots:
        grid = np.linspace(z[0], z[-1], max_knots)
        selected = np.unique(np.searchsorted(z, grid).clip(0, len(z) - 1))
        selected = np.union1d(selected, [0, len(z) - 1])
        values, z = values[selected], z[selected]
    return values, z
