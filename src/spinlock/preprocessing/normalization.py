"""Per-column normalization: z = f(x), fitted on clipped training rows in float64, with its inverse.

``standard``     z = (x - mean) / std.
``robust``       z = (x - median) / (IQR / 1.349): a unit for a Gaussian, blind to heavy tails.
``rank_gauss``   z = Phi^-1(F(x)), F the empirical distribution with ties at their mean rank, standardized:
                 Gaussian scores whatever the tails. Linear between quantile knots, so that it is strictly
                 increasing and can be undone inside the training range; outside it stays at the ends.

Letters: ``n`` rows, ``D`` columns, ``Q`` knots.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

GAUSSIAN_IQR = 1.349
MIN_ROBUST_SCALE = 1e-3
"""Of the standard deviation: below it (0 for a column that is mostly one value) the IQR measures nothing."""
KNOTS = 1025


class Normalizer(Protocol):
    """A fitted normalization of D columns; both directions work row by row on float64 [n, D]."""

    method: ClassVar[str]

    def transform(self, x: Floats) -> Floats:
        """Raw units to normalized ones, [n, D]."""

    def inverse(self, z: Floats) -> Floats:
        """Normalized units to raw ones, [n, D]."""

    def state(self) -> dict[str, Any]:
        """Arrays and strings from which :func:`from_state` makes an equal one."""


class _Affine:
    """z = (x - center) / scale with ``center`` and ``scale`` [D]."""

    method: ClassVar[str]

    def __init__(self, center: Floats, scale: Floats) -> None:
        self.center = center
        self.scale = scale

    def transform(self, x: Floats) -> Floats:
        z = x - self.center
        z /= self.scale
        return z

    def inverse(self, z: Floats) -> Floats:
        x = z * self.scale
        x += self.center
        return x

    def state(self) -> dict[str, Any]:
        return {"method": self.method, "center": self.center, "scale": self.scale}

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One normalizer for the columns of all ``parts``, side by side."""
        return cls(np.concatenate([p.center for p in parts]), np.concatenate([p.scale for p in parts]))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The normalizer that gave this :meth:`state`."""
        return cls(np.asarray(state["center"], dtype=np.float64), np.asarray(state["scale"], dtype=np.float64))


class Standard(_Affine):
    """z = (x - mean) / std, std with divisor n."""

    method = "standard"

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """From training rows [n, D]; no column may be constant."""
        return cls(x.mean(axis=0), x.std(axis=0))


class Robust(_Affine):
    """z = (x - median) / (IQR / 1.349); the standard deviation where the IQR is 0 or nothing beside it."""

    method = "robust"

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """From training rows [n, D]; no column may be constant."""
        lower, median, upper = np.percentile(x, [25.0, 50.0, 75.0], axis=0)
        scale = (upper - lower) / GAUSSIAN_IQR
        deviation = x.std(axis=0)
        return cls(median, np.where(scale > MIN_ROBUST_SCALE * deviation, scale, deviation))


class RankGauss:
    """z = standardized Phi^-1(F(x)), linear between at most 1,025 knots.

    ``knots`` and ``scores`` [D, Q] hold in their first ``counts`` [D] entries the strictly increasing values
    and z of each column.
    """

    method: ClassVar[str] = "rank_gauss"

    def __init__(self, knots: Floats, scores: Floats, counts: NDArray[np.int64]) -> None:
        self.knots = knots
        self.scores = scores
        self.counts = counts

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """From training rows [n, D]; no column may be constant."""
        return cls._padded([_normal_scores(column) for column in x.T])

    @classmethod
    def _padded(cls, curves: Sequence[tuple[Floats, Floats]]) -> Self:
        width = max(len(values) for values, _ in curves)
        knots, scores = np.zeros((2, len(curves), width))
        for row, (values, z) in enumerate(curves):
            knots[row, : len(values)] = values
            scores[row, : len(values)] = z
        return cls(knots, scores, np.array([len(values) for values, _ in curves], dtype=np.int64))

    def _curves(self) -> list[tuple[Floats, Floats]]:
        counts = self.counts.tolist()
        return [(self.knots[i, :count], self.scores[i, :count]) for i, count in enumerate(counts)]

    def transform(self, x: Floats) -> Floats:
        """Raw units to scores, [n, D]."""
        z = np.empty(x.shape)
        for i, (knots, scores) in enumerate(self._curves()):
            z[:, i] = np.interp(x[:, i], knots, scores)
        return z

    def inverse(self, z: Floats) -> Floats:
        """Scores to raw units, [n, D]."""
        x = np.empty(z.shape)
        for i, (knots, scores) in enumerate(self._curves()):
            x[:, i] = np.interp(z[:, i], scores, knots)
        return x

    def state(self) -> dict[str, Any]:
        """The curves, for :meth:`from_state`."""
        return {"method": self.method, "knots": self.knots, "scores": self.scores, "counts": self.counts}

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One normalizer for the columns of all ``parts``, side by side."""
        return cls._padded([curve for part in parts for curve in part._curves()])

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The normalizer that gave this :meth:`state`."""
        return cls(
            np.asarray(state["knots"], dtype=np.float64),
            np.asarray(state["scores"], dtype=np.float64),
            np.asarray(state["counts"], dtype=np.int64),
        )


def _normal_scores(column: Floats) -> tuple[Floats, Floats]:
    """Knots and scores of one column: its distinct values, thinned to quantiles when there are very many."""
    values, members, counts = np.unique(column, return_inverse=True, return_counts=True)
    middle_rank = (np.cumsum(counts) - counts / 2) / len(column)
    z = ndtri(middle_rank)
    of_rows = z[members]
    z = (z - of_rows.mean()) / of_rows.std()
    if len(values) > KNOTS:
        wanted = np.linspace(z[0], z[-1], KNOTS)
        chosen = np.unique(np.searchsorted(z, wanted).clip(0, len(z) - 1))
        chosen = np.union1d(chosen, [0, len(z) - 1])
        values, z = values[chosen], z[chosen]
    return values, z


METHODS: dict[str, type[Standard] | type[Robust] | type[RankGauss]] = {
    kind.method: kind for kind in (Standard, Robust, RankGauss)
}


def from_state(state: Mapping[str, Any]) -> Normalizer:
    """The normalizer that gave this :meth:`Normalizer.state`."""
    return METHODS[str(state["method"])].from_state(state)
