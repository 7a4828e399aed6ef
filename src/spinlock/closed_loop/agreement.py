"""Agreement of the behavior of operators with that of the original ones.

Letters: ``n`` operators, ``S`` draws, ``T`` token columns, ``U`` features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.io.token_layout import TokenColumns

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How well operators reproduce the behavior of the original ones.

    Attributes
    ----------
    equal_tokens, standard_error
        Fraction of equal tokens, and its standard error over the operators; 0 if there is one operator.
    by_level
        This fraction for each of the three levels.
    by_category
        This fraction for each category.
    feature_error
        Root mean square difference of the features, in standard deviations of the training rows.
    diverged
        Fraction of the operators with a diverged realization.
    """

    equal_tokens: float
    standard_error: float
    by_level: dict[str, float]
    by_category: dict[str, float]
    feature_error: float
    diverged: float


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Comparison:
    """Simulated operators beside the original ones; if there are S draws, those of one operator are consecutive rows.

    Attributes
    ----------
    equal
        Whether each token equals the original one, [n, T].
    squared_error
        Mean squared difference of the z-scored features of each operator, [n].
    diverged
        Whether a realization diverged, [n].
    """

    equal: NDArray[np.bool_]
    squared_error: Floats
    diverged: NDArray[np.bool_]

    def select(self, rows: NDArray[np.bool_]) -> Comparison:
        """Return the comparison of some operators with all their draws; ``rows`` is a mask of operators."""
        chosen = np.repeat(rows, len(self.equal) // len(rows))
        return Comparison(self.equal[chosen], self.squared_error[chosen], self.diverged[chosen])

    def best_of(self, draws: int) -> Comparison:
        """Return for each operator the draw with the most equal tokens; the rows are n operators x S draws."""
        shape = (-1, draws)
        best = self.equal.mean(1).reshape(shape).argmax(1) + draws * np.arange(len(self.equal) // draws)
        return Comparison(self.equal[best], self.squared_error[best], self.diverged[best])

    def agreement(self, columns: TokenColumns, draws: int = 1) -> Agreement:
        """Return the means over the operators, of each of which there are consecutive rows, one for each draw."""

        def by(labels: tuple[str, ...]) -> dict[str, float]:
            names = np.array(labels)
            return {name: float(self.equal[:, names == name].mean()) for name in dict.fromkeys(labels)}

        by_operator = self.equal.mean(axis=1).reshape(-1, draws).mean(axis=1)
        return Agreement(
            equal_tokens=float(self.equal.mean()),
            standard_error=float(by_operator.std(ddof=min(1, len(by_operator) - 1)) / np.sqrt(len(by_operator))),
            by_level=by(tuple(f"level {level}" for level in columns.level)),
            by_category=by(columns.category),
            feature_error=float(np.sqrt(self.squared_error.mean())),
            diverged=float(self.diverged.mean()),
        )
