"""Normalization of columns, z = f(x), and its inverse, fitted on clipped training rows in float64.

``standard``
    z = (x - mean) / std.
``robust``
    z = (x - median) / (IQR / 1.349). For a Gaussian column IQR / 1.349 is the standard deviation, but it does not
    depend on the tails.
``rank_gauss``
    z = Phi^-1(F(x)), standardized, where F is the empirical distribution function with mean ranks for equal values. z
    is Gaussian for any continuous distribution of x. f is linear between knots at quantiles, so it is strictly
    increasing and invertible inside the training range, and constant outside.
``auto``
    Light-tailed columns as ``standard``, heavy-tailed ones by an increasing function; see
    :mod:`~spinlock.preprocessing.tails`.

Letters: ``n`` rows, ``D`` columns, ``Q`` knots.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spinlock.preprocessing.knots import ColumnScales, Knots, normal_scores
from spinlock.preprocessing.tails import Auto

Floats = NDArray[np.float64]

GAUSSIAN_IQR = 1.349
"""Interquartile range of a Gaussian with standard deviation 1."""

MIN_ROBUST_SCALE = 1e-3
"""Minimum of IQR / 1.349 in standard deviations. Below it the standard deviation is used instead, because a column that
is mostly one value has an IQR of about 0."""

MAX_KNOTS = 1025
"""Maximum number of knots of a column, apart from the two ends, which may be added."""


class Normalizer(Protocol):
    """Fitted normalization of D columns of float64 arrays [n, D]. Each row is converted independently of the others."""

    method: ClassVar[str]

    @property
    def standardizes(self) -> bool:
        """Whether normalized values are z-scores in all columns."""

    def transform(self, x: Floats) -> Floats:
        """Convert raw units to normalized units, [n, D]."""

    def inverse(self, z: Floats) -> Floats:
        """Convert normalized units to raw units, [n, D]."""

    def scales(self) -> ColumnScales:
        """Return location and scale of each column; see :class:`~spinlock.preprocessing.knots.ColumnScales`."""

    def state(self) -> dict[str, Any]:
        """Return the input of :func:`from_state`: a dictionary of arrays and strings."""


class _Affine:
    """z = (x - center) / scale with ``center`` and ``scale`` [D]."""

    method: ClassVar[str]

    def __init__(self, center: Floats, scale: Floats) -> None:
        self.center = center
        self.scale = scale

    def transform(self, x: Floats) -> Floats:
        """Convert raw units to normalized units, [n, D]."""
        z = x - self.center
        z /= self.scale
        return z

    def inverse(self, z: Floats) -> Floats:
        """Convert normalized units to raw units, [n, D]."""
        x = z * self.scale
        x += self.center
        return x

    def scales(self) -> ColumnScales:
        """Return center and scale."""
        return ColumnScales(self.center, self.scale)

    def state(self) -> dict[str, Any]:
        """Return center and scale, for :meth:`from_state`."""
        return {"method": self.method, "center": self.center, "scale": self.scale}

    @classmethod
    def concatenate(cls, normalizers: Sequence[Self]) -> Self:
        """Return one normalizer for the columns of all ``normalizers``, in order."""
        centers, scales = [n.center for n in normalizers], [n.scale for n in normalizers]
        return cls(np.concatenate(centers), np.concatenate(scales))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a normalizer from the result of :meth:`state`."""
        return cls(np.asarray(state["center"], dtype=np.float64), np.asarray(state["scale"], dtype=np.float64))


class Standard(_Affine):
    """z = (x - mean) / std, where std has the divisor n."""

    method = "standard"
    standardizes = True

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """Fit to training rows [n, D] without constant columns."""
        return cls(x.mean(axis=0), x.std(axis=0))


class Robust(_Affine):
    """z = (x - median) / (IQR / 1.349); see :data:`MIN_ROBUST_SCALE` for columns of small IQR."""

    method = "robust"
    standardizes = False

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """Fit to training rows [n, D] without constant columns."""
        lower, median, upper = np.percentile(x, [25.0, 50.0, 75.0], axis=0)
        scale = (upper - lower) / GAUSSIAN_IQR
        deviation = x.std(axis=0)
        return cls(median, np.where(scale > MIN_ROBUST_SCALE * deviation, scale, deviation))


class RankGauss:
    """z = Phi^-1(F(x)), standardized, and linear between about :data:`MAX_KNOTS` knots at most.

    Parameters
    ----------
    knots
        Functions of the D columns.
    """

    method: ClassVar[str] = "rank_gauss"
    standardizes = False

    def __init__(self, knots: Knots) -> None:
        self.knots = knots

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """Fit to training rows [n, D] without constant columns."""
        return cls(Knots.of_curves([normal_scores(column, MAX_KNOTS) for column in x.T]))

    def transform(self, x: Floats) -> Floats:
        """Convert raw units to scores, [n, D]."""
        return self.knots.transform(x)

    def inverse(self, z: Floats) -> Floats:
        """Convert scores to raw units, [n, D]."""
        return self.knots.inverse(z)

    def scales(self) -> ColumnScales:
        """Return location and scale of the functions."""
        return self.knots.scales()

    def state(self) -> dict[str, Any]:
        """Return the knots and scores, for :meth:`from_state`."""
        return {"method": self.method, **self.knots.state()}

    @classmethod
    def concatenate(cls, normalizers: Sequence[Self]) -> Self:
        """Return one normalizer for the columns of all ``normalizers``, in order."""
        return cls(Knots.of_curves([curve for normalizer in normalizers for curve in normalizer.knots.curves()]))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a normalizer from the result of :meth:`state`."""
        return cls(Knots.from_state(state))


METHODS: dict[str, type[Standard] | type[Robust] | type[RankGauss] | type[Auto]] = {
    kind.method: kind for kind in (Auto, Standard, Robust, RankGauss)
}
"""The normalizer classes by the name of their method."""


def fit(method: str, blocks: Iterable[Floats]) -> Normalizer:
    """Fit a normalizer to blocks of columns.

    Parameters
    ----------
    method
        A key of :data:`METHODS`.
    blocks
        Arrays [n, d] that together contain all columns, each with all training rows. No column is constant.

    Returns
    -------
    Normalizer
        One normalizer for the columns of all blocks, in order.
    """
    kind: Any = METHODS[method]
    normalizer: Normalizer = kind.concatenate([kind.fit(block) for block in blocks])
    return normalizer


def from_state(state: Mapping[str, Any]) -> Normalizer:
    """Restore a normalizer from the result of :meth:`Normalizer.state`."""
    return METHODS[str(state["method"])].from_state(state)
