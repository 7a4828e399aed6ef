"""Accuracy and calibration of the predicted families.

Letters: ``n`` operators, ``F`` families.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.calibration import expected_calibration_error

Floats = NDArray[np.float64]

EXACT_DRAWS = 200
"""Number of draws of all families from the probabilities, from which the noise of the calibration error follows."""


@dataclass(frozen=True)
class Families:
    """Predicted families.

    Attributes
    ----------
    names
        Names of the F families.
    operators
        Number of measured operators of each family, [F].
    accuracy, accuracy_error
        Fraction of operators whose most probable family is correct, and its standard error.
    accuracy_unseen
        The same for operators on which the tokenizer was not fitted; NaN if there are none.
    ece
        Expected calibration error of the probability of the most probable family.
    ece_null_quantile
        95 % quantile of this error for exact probabilities with the same number of operators.
    nll
        Mean of -log p(true family), in nats.
    confidence
        Mean probability of the most probable family.
    recall
        {family: fraction of its operators that are recognized}.
    confusion
        Number of operators [F][F] of each true family (outer) and each predicted one (inner).
    """

    names: tuple[str, ...]
    operators: tuple[int, ...]
    accuracy: float
    accuracy_error: float
    accuracy_unseen: float
    ece: float
    ece_null_quantile: float
    nll: float
    confidence: float
    recall: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]


def measure_families(
    names: tuple[str, ...],
    probability: Floats,
    family: NDArray[np.int64],
    unseen: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Families:
    """Compare probabilities with true families.

    Parameters
    ----------
    names
        Names of the F families.
    probability
        Predicted probabilities [n, F].
    family
        Index [n] of the true families.
    unseen
        Whether the tokenizer was not fitted on each operator, [n].
    rng
        Draws families from the probabilities for ``ece_null_quantile``.
    """
    predicted = probability.argmax(axis=1)
    correct = predicted == family
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (family, predicted), 1)
    accuracy, count = float(correct.mean()), len(family)
    return Families(
        names=names,
        operators=tuple(confusion.sum(axis=1).tolist()),
        accuracy=accuracy,
        accuracy_error=float(np.sqrt(accuracy * (1 - accuracy) / count)),
        accuracy_unseen=float(correct[unseen].mean()) if unseen.any() else float("nan"),
        ece=expected_calibration_error(probability, family),
        ece_null_quantile=_null_quantile(probability, rng),
        nll=-float(np.log(probability[np.arange(count), family]).mean()),
        confidence=float(probability.max(axis=1).mean()),
        recall={name: float(correct[family == f].mean()) for f, name in enumerate(names) if (family == f).any()},
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _null_quantile(probability: Floats, rng: np.random.Generator) -> float:
    """Return the 95 % quantile of the calibration error if families are drawn from the probabilities [n, F]."""
    bounds = probability.cumsum(axis=1)[:, :-1]
    errors = [
        expected_calibration_error(probability, (bounds < rng.random((len(bounds), 1))).sum(axis=1))
        for _ in range(EXACT_DRAWS)
    ]
    return float(np.quantile(errors, 0.95))
