"""Gradient boosting of the families and the parameters. The number of trees has the smallest error on choose operators.

Letters: ``N`` operators, ``E`` inputs, ``n`` evaluate operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

Parts = tuple[Indices, Indices, Indices]
"""Indices of the fit, choose and evaluate operators."""

MAX_TREES = 40
"""Maximum number of trees; of each family for a classification."""

SETTINGS = {
    "learning_rate": 0.15,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 10,
    "l2_regularization": 1.0,
    "max_bins": 32,
    "max_features": 0.3,
}
"""Small trees from coarse bins: there are a few hundred operators of a family, and many inputs."""


def boosted_classes(x: Floats, classes: Indices, parts: Parts, seed: int) -> Indices:
    """Return the predicted classes [n] of the evaluate operators.

    Parameters
    ----------
    x, classes
        Inputs [N, E] and classes [N].
    parts
        Indices of the fit, choose and evaluate operators.
    seed
        Seed of the binning.
    """
    fit, choose, evaluate = parts
    model = HistGradientBoostingClassifier(max_iter=MAX_TREES, early_stopping=False, random_state=seed, **SETTINGS)
    model.fit(x[fit], classes[fit])
    stages = model.staged_predict(x[choose])
    best = int(np.argmax([(predicted == classes[choose]).mean() for predicted in stages]))
    return _stage(model.staged_predict(x[evaluate]), best).astype(np.int64)


def boosted_values(x: Floats, y: Floats, parts: Parts, seed: int) -> Floats:
    """Return the predicted values [n] of the evaluate operators; the mean if no number of trees is better.

    Parameters
    ----------
    x, y
        Inputs [N, E], and values [N] that are known for the operators of all parts.
    parts
        Indices of the fit, choose and evaluate operators.
    seed
        Seed of the binning.
    """
    fit, choose, evaluate = parts
    model = HistGradientBoostingRegressor(max_iter=MAX_TREES, early_stopping=False, random_state=seed, **SETTINGS)
    model.fit(x[fit], y[fit])
    mean = float(y[fit].mean())
    if not len(choose):
        return np.asarray(model.predict(x[evaluate]))
    errors = [float(np.square(y[choose] - predicted).sum()) for predicted in model.staged_predict(x[choose])]
    best = int(np.argmin(errors))
    if errors[best] >= float(np.square(y[choose] - mean).sum()):
        return np.full(len(evaluate), mean)
    return _stage(model.staged_predict(x[evaluate]), best)


def _stage(stages: Iterator[Any], number: int) -> NDArray[Any]:
    """Return the predictions after ``number`` + 1 trees."""
    return np.asarray(next(islice(stages, number, None)))
