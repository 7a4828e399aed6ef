"""Normalization ``auto``: each column by its tails.

A column with light tails is standardized, z = (x - mean) / std. A column is heavy-tailed if its kurtosis k on clipped
training rows is above k0 = 4, where a Gaussian column has 3. A few extreme rows set the scale of such a column, and
most bits would be spent on these rows. It gets a weighted mean of its z-score and of its normal score,

    z = (1 - w) (x - mean) / std + w Phi^-1(F(x)),    w = 1 - sqrt(k0 / k),

standardized again. F is the empirical distribution function, so that the second term resolves the bulk of the values.
The weight w is 0 at the limit k0 and approaches 1 for very heavy tails. The function is linear between knots, strictly
increasing, and invertible inside the training range. Inside a wide gap without training values it has more knots.

Letters: ``n`` rows, ``D`` columns, ``H`` heavy-tailed columns, ``Q`` knots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from spinlock.preprocessing.knots import ColumnScales, Curve, Knots, normal_scores
from spinlock.preprocessing.wide_gaps import add_knots_in_gaps

Floats = NDArray[np.float64]

MAX_KURTOSIS = 4.0
"""Kurtosis k0 above which a column is heavy-tailed."""

MAX_KNOTS = 257
"""Maximum number of knots of a heavy-tailed column, apart from the two ends, which may be added."""


class Auto:
    """Standardization of light-tailed columns, and a function with knots for each heavy-tailed column.

    Parameters
    ----------
    center, scale
        Mean and standard deviation [D] of light-tailed columns; not used for heavy-tailed ones.
    heavy
        Mask [D] of the heavy-tailed columns.
    knots
        Functions of the H heavy-tailed columns.
    """

    method: ClassVar[str] = "auto"

    def __init__(self, center: Floats, scale: Floats, heavy: NDArray[np.bool_], knots: Knots) -> None:
        self.center = center
        self.scale = scale
        self.heavy = heavy
        self.knots = knots

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """Fit to training rows [n, D] without constant columns."""
        center, scale = x.mean(axis=0), x.std(axis=0)
        kurtosis = (((x - center) / scale) ** 4).mean(axis=0)
        heavy = kurtosis > MAX_KURTOSIS
        weights = 1 - np.sqrt(MAX_KURTOSIS / kurtosis[heavy])
        curves = [_heavy_curve(column, weight) for column, weight in zip(x.T[heavy], weights, strict=True)]
        return cls(center, scale, heavy, Knots.of_curves(curves))

    @property
    def standardizes(self) -> bool:
        """Whether there is no heavy-tailed column, so that normalized values are z-scores."""
        return not self.heavy.any()

    def transform(self, x: Floats) -> Floats:
        """Convert raw units to normalized units, [n, D]."""
        z = x - self.center
        z /= self.scale
        if self.heavy.any():
            z[:, self.heavy] = self.knots.transform(x[:, self.heavy])
        return z

    def inverse(self, z: Floats) -> Floats:
        """Convert normalized units to raw units, [n, D]."""
        x = z * self.scale
        x += self.center
        if self.heavy.any():
            x[:, self.heavy] = self.knots.inverse(z[:, self.heavy])
        return x

    def scales(self) -> ColumnScales:
        """Return mean and standard deviation of light-tailed columns, and location and scale of the other functions."""
        center, scale, heavy = self.center.copy(), self.scale.copy(), self.knots.scales()
        center[self.heavy], scale[self.heavy] = heavy.center, heavy.scale
        return ColumnScales(center, scale)

    def state(self) -> dict[str, Any]:
        """Return the input of :meth:`from_state`."""
        return {
            "method": self.method,
            "center": self.center,
            "scale": self.scale,
            "heavy": np.flatnonzero(self.heavy),
            **self.knots.state(),
        }

    @classmethod
    def concatenate(cls, normalizers: Sequence[Self]) -> Self:
        """Return one normalizer for the columns of all ``normalizers``, in order."""
        return cls(
            np.concatenate([each.center for each in normalizers]),
            np.concatenate([each.scale for each in normalizers]),
            np.concatenate([each.heavy for each in normalizers]),
            Knots.of_curves([curve for each in normalizers for curve in each.knots.curves()]),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a normalizer from the result of :meth:`state`."""
        center = np.asarray(state["center"], dtype=np.float64)
        heavy = np.zeros(len(center), dtype=bool)
        heavy[np.asarray(state["heavy"], dtype=np.int64)] = True
        return cls(center, np.asarray(state["scale"], dtype=np.float64), heavy, Knots.from_state(state))


def _heavy_curve(column: Floats, weight: float) -> Curve:
    """Return the knots of a heavy-tailed column, and their z with this weight of the normal score."""
    values, scores = normal_scores(column, MAX_KNOTS)
    z = weight * scores + (1 - weight) * (values - column.mean()) / column.std()
    rows = np.interp(column, values, z)
    return add_knots_in_gaps((values, (z - rows.mean()) / rows.std()), column)
