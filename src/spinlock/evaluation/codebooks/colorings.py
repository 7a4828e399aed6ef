"""What colors the rows of a map: labels, parameters and tokens, and how well each follows the neighborhoods.

Letters: ``p`` rows of the map, ``k`` neighbors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from spinlock.evaluation.codebooks.row_maps import Floats, Integers, MapNeighbors
from spinlock.evaluation.discriminability.attributes import MISSING, Attribute

Kind = Literal["label", "parameter", "token"]


@dataclass(frozen=True, eq=False)
class Coloring:
    """A value of each row of a map.

    Attributes
    ----------
    name, kind
        Name, and whether it is a label, a parameter of the operators or a token.
    classes
        Names of the classes; empty for numbers.
    codes
        Class [p] of each row, or -1 where it is missing.
    numbers
        Values [p], NaN where missing. For a token, the rank of its code along the first axis of the codebook's map.
    agreement, chance
        Mean fraction of the nearest rows of other operators with the same class, and its value for random rows. For
        numbers, Pearson's r of the rank of a value and the mean rank of these rows, and 0. NaN if it is not defined.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    codes: Integers
    numbers: Floats
    agreement: float
    chance: float

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers rather than classes."""
        return len(self.classes) == 0

    @property
    def known_fraction(self) -> float:
        """Fraction of the rows that have a value."""
        return float((self.codes != MISSING).mean())

    @property
    def excess(self) -> float:
        """Agreement above chance, as a fraction of the largest possible one; -1 if it is not defined."""
        if not np.isfinite(self.agreement) or self.chance >= 1:
            return -1.0
        return (self.agreement - self.chance) / (1 - self.chance)


def color_by_attribute(attribute: Attribute, chosen: Integers, others: OtherOperatorNeighbors) -> Coloring:
    """Return the coloring by a label or parameter, of the chosen rows [p] of the attribute."""
    kind: Kind = "parameter" if attribute.is_parameter else "label"
    codes = attribute.codes[chosen]
    if attribute.is_numeric:
        numbers = attribute.numbers[chosen]
        return Coloring(attribute.name, kind, (), codes, numbers, others.correlation(numbers), 0.0)
    agreement, chance = others.agreement(codes)
    return Coloring(attribute.name, kind, attribute.classes, codes, np.empty(0), agreement, chance)


def color_by_token(name: str, codes: Integers, ranks: Integers, others: OtherOperatorNeighbors) -> Coloring:
    """Return the coloring by tokens [p] of a codebook whose codes have ranks [K] along the first axis of its map."""
    agreement, chance = others.agreement(codes)
    classes = tuple(str(code) for code in range(len(ranks)))
    return Coloring(name, "token", classes, codes, ranks[codes].astype(np.float64), agreement, chance)


def rank_fractions(numbers: Floats) -> Floats:
    """Return the rank of each number [p] as a fraction from 0 to 1, equal for equal numbers; NaN where missing."""
    present = np.isfinite(numbers)
    fractions = np.full(len(numbers), np.nan)
    fractions[present] = (rankdata(numbers[present]) - 1) / max(1, int(present.sum()) - 1)
    return fractions


def best_label(colorings: Sequence[Coloring]) -> Coloring | None:
    """Return the label of classes that follows the neighborhoods best, or None if none does."""
    labels = [each for each in colorings if each.kind == "label" and not each.is_numeric and each.excess > 0]
    return max(labels, key=lambda coloring: coloring.excess, default=None)


@dataclass(frozen=True, eq=False)
class OtherOperatorNeighbors:
    """The nearest rows [p, k] of each row, and a mask [p, k] of those that belong to another operator."""

    indices: Integers
    is_other: NDArray[np.bool_]

    @classmethod
    def of(cls, neighbors: MapNeighbors, operators: Integers) -> OtherOperatorNeighbors:
        """Return the neighbors of rows whose operators are [p]."""
        return cls(neighbors.indices, operators[neighbors.indices] != operators[:, None])

    def agreement(self, codes: Integers) -> tuple[float, float]:
        """Return the mean fraction of neighbors with the same code, and the sum over codes of the squared frequency."""
        present = codes != MISSING
        valid = self.is_other & present[:, None] & present[self.indices]
        if not valid.any():
            return float("nan"), float("nan")
        same = (codes[self.indices] == codes[:, None]) & valid
        rows = valid.any(1)
        frequency = np.unique(codes[present], return_counts=True)[1] / present.sum()
        return float((same.sum(1)[rows] / valid.sum(1)[rows]).mean()), float(np.square(frequency).sum())

    def correlation(self, numbers: Floats) -> float:
        """Return Pearson's r of the rank of a value and of the mean rank of its neighbors."""
        present = np.isfinite(numbers)
        valid = self.is_other & present[:, None] & present[self.indices]
        rows = valid.any(1)
        if rows.sum() < 3:
            return float("nan")
        ranks = np.nan_to_num(rank_fractions(numbers))
        own, mean = ranks[rows], np.where(valid, ranks[self.indices], 0.0).sum(1)[rows] / valid[rows].sum(1)
        if own.std() == 0 or mean.std() == 0:
            return float("nan")
        return float(np.corrcoef(own, mean)[0, 1])
