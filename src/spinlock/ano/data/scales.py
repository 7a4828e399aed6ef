"""Coordinates of a parameter: physical value x, unit interval u, and real line z.

``generate`` draws u uniformly and sets x = low + u (high - low), x = low (high / low)^u, or x = one of n options. Here
the three functions are recovered from pairs (u, x). Densities are on z = Phi^-1(u), where Phi is the standard normal
distribution function. The prior of z is therefore the standard normal distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from spinlock.errors import DataError

Floats = NDArray[np.float64]
Kind = Literal["linear", "log", "options"]

EDGE = 1e-6
"""Smallest distance of u to 0 and 1. Its image on the real line is -4.75."""

MAX_OPTIONS = 32
"""Maximum number of options of a parameter."""

TOLERANCE = 1e-6
"""Largest error of a recovered function, relative to the range of its values."""


@dataclass(frozen=True)
class ParameterScale:
    """The function from u to x of one parameter.

    Attributes
    ----------
    name
        Name of the parameter.
    kind
        ``linear``, ``log`` or ``options``.
    values
        (low, high), or the options in the order of u.
    """

    name: str
    kind: Kind
    values: tuple[float, ...]

    @classmethod
    def fit(cls, name: str, unit: Floats, physical: Floats) -> Self:
        """Recover the function from the coordinates and the values [n] of n operators, without NaN.

        Raises
        ------
        DataError
            A coordinate is outside the unit interval, or the function is neither linear, logarithmic nor a choice.
        """
        if not (np.isfinite(physical).all() and ((unit >= 0) & (unit <= 1)).all()):
            what = f"/parameters/params has values from {unit.min():g} to {unit.max():g} for {name}"
            raise DataError(what, expected="finite values in the unit interval")
        options = _options(unit, physical)
        if options is not None:
            return cls(name, "options", options)
        if (ends := _ends(unit, physical)) is not None:
            return cls(name, "linear", ends)
        if (physical > 0).all() and (ends := _ends(unit, np.log(physical))) is not None:
            return cls(name, "log", tuple(float(np.exp(end)) for end in ends))
        raise DataError(
            f"the values of {name} are not a linear or logarithmic function of /parameters/params",
            expected="parameters of spinlock generate",
            remedy=f"exclude it with excluded_parameters=['{name}']",
        )

    def to_real(self, unit: Floats, rng: np.random.Generator | None = None) -> Floats:
        """Map coordinates u to z. With ``rng`` the coordinate of an option is drawn uniformly from its cell."""
        if self.kind == "options" and rng is not None:
            unit = unit + (rng.random(unit.shape) - 0.5) / len(self.values)
        return np.asarray(ndtri(np.clip(unit, EDGE, 1 - EDGE)))

    def to_physical(self, real: Floats) -> Floats:
        """Map z to physical values of the same shape. Infinite z are the ends of the range."""
        unit = ndtr(real)
        if self.kind == "options":
            cell = np.minimum((unit * len(self.values)).astype(np.int64), len(self.values) - 1)
            return np.asarray(self.values)[cell]
        low, high = self.values
        if self.kind == "log":
            return np.asarray(low * (high / low) ** unit)
        return np.asarray(low + unit * (high - low))

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as plain data, for a checkpoint."""
        return {"name": self.name, "kind": self.kind, "values": list(self.values)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore a scale from the result of :meth:`to_dict`."""
        return cls(values["name"], values["kind"], tuple(values["values"]))


def _options(unit: Floats, physical: Floats) -> tuple[float, ...] | None:
    """Return the options if the coordinates are centers (k + 1/2) / n of n equal cells, else None."""
    centers, first = np.unique(unit, return_index=True)
    for n in range(max(1, len(centers)), MAX_OPTIONS + 1):
        cells = centers * n - 0.5
        if len(centers) >= 0.5 * n and np.abs(cells - np.round(cells)).max() < TOLERANCE:
            return tuple(np.interp(np.arange(n), cells, physical[first]).tolist())
    return None


def _ends(unit: Floats, values: Floats) -> tuple[float, float] | None:
    """Return the values at 0 and 1 of the line through the points (u, value), or None if they are not on a line."""
    design = np.stack([1 - unit, unit], axis=1)
    ends = np.linalg.lstsq(design, values, rcond=None)[0]
    error = np.abs(design @ ends - values).max()
    extent = max(float(np.ptp(ends)), float(np.abs(ends).max()) * TOLERANCE, np.finfo(float).tiny)
    return (float(ends[0]), float(ends[1])) if error <= TOLERANCE * extent else None
