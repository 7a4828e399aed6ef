"""Probes: how well a representation predicts an attribute of rows that were not in the fit.

Letters: ``m`` rows, ``E`` columns of a representation.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.rows import EvaluatedRows, Tokens

FOLDS = 5
"""Number of folds of the cross-validation; all rows of an operator are in one fold."""

NEIGHBORS = 5
"""Number of neighbors of the nearest-neighbor probe."""

RIDGE_STRENGTHS = (1.0, 10.0, 100.0, 1000.0, 10000.0)
"""Strengths among which the linear probe selects within the rows of its fit."""

MAX_PROBE_ROWS = 1000
"""Maximum number of rows on which a probe is fitted and measured."""


@dataclass(frozen=True)
class Probe:
    """Score of a probe on rows that were not in its fit.

    Attributes
    ----------
    representation
        ``tokens``, ``decoded features`` or ``features``.
    method
        ``nearest neighbors`` (5; by the fraction of different tokens, or by Euclidean distance) or ``linear`` (ridge
        regression; each code of a token is one column).
    score
        Accuracy for classes, fraction of variance explained for numbers.
    """

    representation: str
    method: str
    score: float


def probe(rows: EvaluatedRows, attribute: Attribute, seed: int) -> tuple[float, tuple[Probe, ...]]:
    """Return the chance level of an attribute and the scores of all probes.

    Parameters
    ----------
    rows
        Evaluated rows.
    attribute
        A label or a parameter of these rows.
    seed
        Seed of the sample of rows and of the folds.

    Returns
    -------
    chance : float
        Score of a prediction that ignores the rows: the most frequent class, or the mean, of the rows of the fit.
    probes : tuple of Probe
    """
    random = np.random.default_rng(seed)
    present = np.flatnonzero(attribute.present)
    chosen = np.sort(random.permutation(present)[:MAX_PROBE_ROWS])
    folds = operator_folds(rows.operators[chosen], random)
    targets = attribute.numbers[chosen] if attribute.is_numeric else attribute.codes[chosen]
    sizes = [size for sizes in rows.spec.num_codes for size in sizes]
    smallest_fit = len(chosen) - int(np.bincount(folds).max())
    tokens = rows.flat_tokens[chosen]
    representations: dict[str, tuple[NDArray[Any], NDArray[Any], str]] = {
        "tokens": (tokens, one_hot(tokens, sizes), "hamming"),
        "decoded features": (rows.decoded[-1][chosen], rows.decoded[-1][chosen], "euclidean"),
        "features": (rows.z_scores[chosen], rows.z_scores[chosen], "euclidean"),
    }
    probes = []
    for name, (points, columns, metric) in representations.items():
        for method, inputs in (("nearest neighbors", points), ("linear", columns)):
            estimator = _estimator(method, metric, smallest_fit, numeric=attribute.is_numeric)
            probes.append(Probe(name, method, cross_validated(estimator, inputs, targets, folds, attribute.is_numeric)))
    return _chance(targets, folds, attribute.is_numeric), tuple(probes)


def operator_folds(operators: Tokens, random: np.random.Generator) -> Tokens:
    """Return the fold [m] of each row; all rows of an operator are in one fold."""
    distinct, positions = np.unique(operators, return_inverse=True)
    fold_of = random.permutation(len(distinct)) % min(FOLDS, len(distinct))
    folds: Tokens = fold_of[positions]
    return folds


def one_hot(tokens: Tokens, sizes: list[int]) -> NDArray[np.float32]:
    """Return a column for each code of each codebook [m, sum of K], from tokens [m, T]."""
    return np.concatenate(
        [np.eye(size, dtype=np.float32)[column] for column, size in zip(tokens.T, sizes, strict=True)], axis=1
    )


def cross_validated(estimator: Any, inputs: NDArray[Any], targets: NDArray[Any], folds: Tokens, numeric: bool) -> float:
    """Return the score of an estimator of scikit-learn over all folds.

    Parameters
    ----------
    estimator
        It is fitted anew for each fold.
    inputs, targets
        Inputs [m, E] and targets [m].
    folds
        Fold [m] of each row.
    numeric
        Whether the targets are numbers.

    Returns
    -------
    float
        Accuracy; or 1 - sum (y - y^)^2 / sum (y - mean)^2, with the mean of the rows of the fit.
    """
    predictions = np.empty(len(targets), dtype=targets.dtype)
    for fold in np.unique(folds):
        fit, test = folds != fold, folds == fold
        if numeric or len(np.unique(targets[fit])) > 1:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # labels can have many
                predictions[test] = estimator.fit(inputs[fit], targets[fit]).predict(inputs[test])
        else:
            predictions[test] = targets[fit][0]
    if not numeric:
        return float((predictions == targets).mean())
    error, power = np.square(targets - predictions).sum(), np.square(targets - _fold_means(targets, folds)).sum()
    return float(1 - error / power) if power > 0 else 0.0


def _chance(targets: NDArray[Any], folds: Tokens, numeric: bool) -> float:
    if numeric:
        return 0.0
    correct = 0
    for fold in np.unique(folds):
        values, counts = np.unique(targets[folds != fold], return_counts=True)
        correct += int((targets[folds == fold] == values[counts.argmax()]).sum())
    return correct / len(targets)


def _fold_means(targets: NDArray[Any], folds: Tokens) -> NDArray[np.float64]:
    means = np.empty(len(targets))
    for fold in np.unique(folds):
        means[folds == fold] = targets[folds != fold].mean()
    return means


def _estimator(method: str, metric: str, rows: int, *, numeric: bool) -> Any:
    """Return an estimator of scikit-learn; ``rows`` is the smallest number of rows of a fit.

    The import of scikit-learn takes seconds and is therefore local.
    """
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if method == "linear":
        return (RidgeCV if numeric else RidgeClassifierCV)(alphas=RIDGE_STRENGTHS)
    neighbors = KNeighborsRegressor if numeric else KNeighborsClassifier
    return neighbors(min(NEIGHBORS, rows), metric=metric, algorithm="brute")
