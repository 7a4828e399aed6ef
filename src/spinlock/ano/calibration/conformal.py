"""Conformal widths of central intervals (distributional conformal prediction, Chernozhukov, Wuthrich and Zhu 2021).

The score of a parameter is |U - 1/2|, where U = P(Z <= z) is the value of the predicted distribution function at the
true parameter. The interval of a level contains all z with a score of at most q, which is the ceil((n + 1) level)-th
smallest of n scores of calibration operators. If these scores and that of a new operator are exchangeable, the interval
contains the new parameter with at least this probability, whatever the quality of the density. The interval does not
depend on the coordinate: it is the same in physical units.

The scores of all parameters of a family are pooled, so the probability is that of a random parameter of a random
operator, not that of each parameter.

Letters: ``n`` scores, ``F`` families, ``L`` levels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS = (0.5, 0.8, 0.9)
"""Probabilities of the intervals."""

MIN_OPERATORS = 30
"""Minimum number of calibration operators of a family with its own widths. Smaller families use the scores of all."""

MAX_HALF_WIDTH = 0.5
"""Half width of the interval that contains everything."""


def conformal_quantile(scores: Floats, level: float) -> float:
    """Return the ceil((n + 1) level)-th smallest of scores [n], or :data:`MAX_HALF_WIDTH` if there are too few."""
    rank = math.ceil((len(scores) + 1) * level)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else MAX_HALF_WIDTH


@dataclass(frozen=True)
class ConformalWidths:
    """Half widths of the intervals in units of probability.

    Attributes
    ----------
    half_widths
        q [F, L] of each family and level; the interval is [F^-1(1/2 - q), F^-1(1/2 + q)].
    operators
        Number of calibration operators [F] of each family.
    """

    half_widths: Floats
    operators: tuple[int, ...]

    @classmethod
    def fit(cls, scores: Sequence[Floats], operators: Sequence[int]) -> Self:
        """Determine the widths.

        Parameters
        ----------
        scores
            Scores of the parameters of the calibration operators of each family.
        operators
            Number of these operators of each family.
        """
        shared = np.concatenate(list(scores))
        rows = [
            [conformal_quantile(own if count >= MIN_OPERATORS else shared, level) for level in LEVELS]
            for own, count in zip(scores, operators, strict=True)
        ]
        return cls(np.array(rows), tuple(operators))

    def to_dict(self) -> dict[str, Any]:
        """Return the widths as plain data, for a checkpoint."""
        return {"half_widths": self.half_widths.tolist(), "operators": list(self.operators)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore widths from the result of :meth:`to_dict`."""
        return cls(np.array(values["half_widths"]), tuple(values["operators"]))
