"""Section *families* of the page of an ANO."""

from __future__ import annotations

import numpy as np

from spinlock.ano.evaluation.families import Families
from spinlock.plots.charts import heat_map
from spinlock.plots.view import Picture, Table, View, number, percent


def view(result: Families) -> View:
    """Return the section."""
    count = sum(result.operators)
    finding = (
        f"The most probable family is correct for {percent(result.accuracy, 1)} of {count:,} operators (standard error "
        f"{100 * result.accuracy_error:.1f} points). Its mean probability is {percent(result.confidence, 1)}."
    )
    remarks = [
        f"The expected calibration error is {number(result.ece)}. It is never negative: probabilities that are exactly "
        f"right have an error below {number(result.ece_null_quantile)} in 95% of samples of this size."
    ]
    if np.isfinite(result.accuracy_unseen):
        remarks.append(
            f"On operators on which the tokenizer was not fitted, the accuracy is {percent(result.accuracy_unseen, 1)}."
        )
    return View("families", "Families", finding, [_confusion(result)], [_table(result)], remarks)


def _confusion(result: Families) -> Picture:
    counts = np.array(result.confusion, dtype=np.float64)
    measured = counts.sum(axis=1) > 0
    shares = counts[measured] / counts[measured].sum(axis=1, keepdims=True)
    shares[shares == 0] = np.nan
    rows = [name for name, used in zip(result.names, measured, strict=True) if used]
    worst = min(result.recall, key=lambda name: result.recall[name])
    return Picture(
        f"{worst} is the family that is recognized least often, {percent(result.recall[worst])}",
        heat_map(shares, rows, result.names),
        "Each row is a true family, each column a predicted one. The cells are fractions of the operators of the row.",
    )


def _table(result: Families) -> Table:
    rows = []
    for index, (name, operators) in enumerate(zip(result.names, result.operators, strict=True)):
        others = np.array(result.confusion[index])
        others[index] = 0
        error = f"{result.names[int(others.argmax())]} ({others.max()})" if others.any() else "–"
        rows.append((name, f"{operators:,}", percent(result.recall.get(name), 1), error))
    return Table("All families", ("family", "operators", "recognized", "most frequent error"), rows)
