"""Baselines of the prediction of operators: gradient boosting, nearest neighbors, and the prior.

Letters: ``N`` operators, ``E`` inputs, ``T`` token columns, ``P`` parameters of all families together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.operators.boosting import Parts, boosted_classes, boosted_values
from spinlock.evaluation.operators.neighbors import neighbor_classes, neighbor_values

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BOOSTING, NEIGHBORS = "gradient boosting", "nearest neighbors"
"""Names of the methods."""

MIN_FIT = 20
"""Minimum number of fit operators with a parameter."""


@dataclass(frozen=True, eq=False)
class KnownOperators:
    """Operators with known families and parameters.

    Attributes
    ----------
    families
        Names of the families.
    family
        Index [N] of the family of each operator.
    parameters
        Names of the P parameters.
    columns
        Positions of the parameters of each family.
    unit
        Coordinates [N, P] of the parameters; NaN for absent ones.
    parts
        Indices of the fit, choose and evaluate operators.
    """

    families: Sequence[str]
    family: Indices
    parameters: Sequence[str]
    columns: Sequence[Sequence[int]]
    unit: Floats
    parts: Parts


@dataclass(frozen=True)
class Baseline:
    """Scores of one method from one representation on the evaluate operators.

    Attributes
    ----------
    method, representation
        ``gradient boosting`` or ``nearest neighbors``; ``decoded features`` or ``tokens``.
    accuracy
        Fraction of operators whose family is correct.
    mean_r2
        Mean over the parameters of the fraction of variance explained, given the true family.
    r2
        {family: {parameter: fraction of variance explained}}.
    """

    method: str
    representation: str
    accuracy: float
    mean_r2: float
    r2: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Baselines:
    """Other estimators, with which ANO is compared.

    Attributes
    ----------
    prior_accuracy
        Accuracy of the most frequent family of the fit operators.
    methods
        Scores of each method.
    """

    prior_accuracy: float
    methods: tuple[Baseline, ...]


def measure_baselines(
    vectors: Mapping[str, Floats],
    tokens: Indices,
    operators: KnownOperators,
    seed: int,
    advance: Callable[[str], None] = lambda step: None,
) -> Baselines:
    """Measure gradient boosting from each vector, and nearest neighbors in token space.

    Parameters
    ----------
    vectors
        {representation: inputs [N, E]}.
    tokens
        Code indices [N, T].
    operators
        Operators with known families and parameters.
    seed
        Seed of the boosting.
    advance
        Called with the name of each method before it is fitted.
    """
    fit, _, evaluate = operators.parts
    common = int(np.bincount(operators.family[fit]).argmax())
    methods = []
    for name, x in vectors.items():
        advance(f"{BOOSTING}, {name}")
        accuracy = _accuracy(operators, boosted_classes(x, operators.family, operators.parts, seed))
        r2 = _r2(operators, partial(boosted_values, x, seed=seed))
        methods.append(_baseline(BOOSTING, name, accuracy, r2))
    advance(f"{NEIGHBORS}, tokens")
    accuracy = _accuracy(operators, neighbor_classes(tokens, operators.family, operators.parts))
    r2 = _r2(operators, partial(neighbor_values, tokens))
    methods.append(_baseline(NEIGHBORS, "tokens", accuracy, r2))
    return Baselines(float((operators.family[evaluate] == common).mean()), tuple(methods))


def _baseline(method: str, representation: str, accuracy: float, r2: dict[str, dict[str, float]]) -> Baseline:
    values = [value for by_name in r2.values() for value in by_name.values()]
    return Baseline(method, representation, accuracy, float(np.nanmean(values)) if values else float("nan"), r2)


def _accuracy(operators: KnownOperators, predicted: Indices) -> float:
    return float((predicted == operators.family[operators.parts[2]]).mean())


def _r2(operators: KnownOperators, predict: Callable[[Floats, Parts], Floats]) -> dict[str, dict[str, float]]:
    """Return {family: {parameter: fraction of variance explained}} of predictions within each family."""
    scores: dict[str, dict[str, float]] = {}
    for index, family in enumerate(operators.families):
        for column in operators.columns[index]:
            y = operators.unit[:, column]
            known = np.isfinite(y) & (operators.family == index)
            fit, choose, evaluate = (part[known[part]] for part in operators.parts)
            if len(fit) < MIN_FIT or len(evaluate) < 2:
                continue
            spread = float(np.square(y[evaluate] - y[evaluate].mean()).sum())
            if spread == 0:
                continue
            error = float(np.square(y[evaluate] - predict(y, (fit, choose, evaluate))).sum())
            name = operators.parameters[column].removeprefix(f"{family}.")
            scores.setdefault(family, {})[name] = 1 - error / spread
    return scores
