"""Prediction by the nearest operators in token space. The distance is the number of different tokens.

Letters: ``n`` operators, ``m`` fit operators, ``T`` token columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.operators.boosting import Parts

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

NUM_NEIGHBORS = (1, 3, 5, 10, 20, 40)
"""Numbers of neighbors that are compared."""


def nearest(tokens: Indices, fit: Indices, limit: int) -> Indices:
    """Return the positions [n, limit] of the nearest fit rows [m, T] of each row [n, T]; fewer if m is smaller."""
    distances = np.empty((len(tokens), len(fit)), dtype=np.int64)
    for row, values in enumerate(tokens):
        distances[row] = (fit != values).sum(axis=1)
    return np.asarray(distances.argsort(axis=1, kind="stable")[:, :limit])


def neighbor_classes(tokens: Indices, classes: Indices, parts: Parts) -> Indices:
    """Return the most frequent class [n] among the nearest fit operators of each evaluate operator.

    Parameters
    ----------
    tokens, classes
        Tokens and classes of all operators.
    parts
        Indices of the fit, choose and evaluate operators. The number of neighbors has the best
        accuracy on the choose operators.
    """
    fit, choose, evaluate = parts
    known = classes[fit]

    def vote(rows: Indices, count: int) -> Indices:
        counts = np.stack([(known[rows[:, :count]] == c).sum(axis=1) for c in range(int(classes.max()) + 1)], axis=1)
        return np.asarray(counts.argmax(axis=1))

    chosen = nearest(tokens[choose], tokens[fit], max(NUM_NEIGHBORS))
    best = max(NUM_NEIGHBORS, key=lambda count: float((vote(chosen, count) == classes[choose]).mean()))
    return vote(nearest(tokens[evaluate], tokens[fit], best), best)


def neighbor_values(tokens: Indices, y: Floats, parts: Parts) -> Floats:
    """Return the mean value [n] of the nearest fit operators of each evaluate operator.

    Parameters
    ----------
    tokens, y
        Tokens of all operators, and values that are known for the operators of all parts.
    parts
        Indices of the fit, choose and evaluate operators. The number of neighbors has the smallest
        error on the choose operators.
    """
    fit, choose, evaluate = parts
    known = y[fit]
    counts = [count for count in NUM_NEIGHBORS if count <= len(fit)]
    best = counts[-1]
    if len(choose):
        chosen = nearest(tokens[choose], tokens[fit], counts[-1])
        errors = [float(np.square(known[chosen[:, :count]].mean(axis=1) - y[choose]).sum()) for count in counts]
        best = counts[int(np.argmin(errors))]
    return np.asarray(known[nearest(tokens[evaluate], tokens[fit], best)].mean(axis=1))
