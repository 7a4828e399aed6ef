"""Prototypes of codes: what the rows of a code have in common, and the rows that are nearest to it.

A level l adds delta_l = x^(l) - x^(l-1) to a decoded row, where x^(l) is decoded from the first l levels of all tokens
and x^(0) = 0. In the columns of its category and in z-scores, a code k of level l has

- the center mean(delta_l | k). The nearest rows of the code are those with the smallest root mean square of
  x - x^(l-1) - center;
- the effect mean(delta_l | k) - mean(delta_l). At the first level this is the mean of the decoded rows that have the
  code, minus the mean of all decoded rows.

A finer level is compared with what the coarser levels leave, because its codes occur with all coarser codes.

Letters: ``m`` rows, ``U`` kept columns, ``K`` codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinlock.evaluation.codebooks.row_maps import Floats, Integers
from spinlock.evaluation.discriminability.attributes import MISSING, Attribute
from spinlock.evaluation.rows import EvaluatedRows

MAX_FEATURES, MIN_EFFECT = 4, 0.05
"""Maximum number of features that a card names on each side, and the smallest effect that it names, in z-scores."""

NEAREST, PICTURED = 5, 3
"""Number of nearest rows on a card, and maximum number of operators whose frames it shows."""


@dataclass(frozen=True)
class NearestRow:
    """A row near the center of a code.

    Attributes
    ----------
    position, operator
        Position in the table, and operator.
    distance
        Root mean square of x - x^(l-1) minus the center, over the columns of the category, in standard deviations.
    copies
        Number of other rows with the same features.
    """

    position: int
    operator: int
    distance: float
    copies: int


@dataclass(frozen=True)
class Prototype:
    """What a code stands for.

    Attributes
    ----------
    num_rows
        Number of rows that have the code.
    raised, lowered
        Names of the features with the largest positive and negative effects, and these effects in z-scores.
    nearest
        The rows with the code that are nearest to its center, nearest first; equal rows count once.
    pictured
        Operators whose fields are in the file, of the rows with the code, nearest first.
    majority, share
        The most frequent class of the label among the rows with the code that have a class, and the fraction of these
        rows that have it; empty and 0 without a label.
    """

    num_rows: int
    raised: tuple[tuple[str, float], ...] = ()
    lowered: tuple[tuple[str, float], ...] = ()
    nearest: tuple[NearestRow, ...] = ()
    pictured: tuple[int, ...] = ()
    majority: str = ""
    share: float = 0.0


@dataclass(frozen=True, eq=False)
class PrototypeRows:
    """Rows from which prototypes are computed.

    Attributes
    ----------
    rows
        The encoded rows.
    groups
        Index [m] of the group of equal rows to which each row belongs.
    names
        Names [U] of the kept columns.
    with_fields
        Operators whose fields are in the file.
    label
        Label of the m rows, whose most frequent class a card names; None without one.
    """

    rows: EvaluatedRows
    groups: Integers
    names: tuple[str, ...]
    with_fields: frozenset[int]
    label: Attribute | None

    @classmethod
    def of(cls, rows: EvaluatedRows, with_fields: frozenset[int], label: Attribute | None) -> PrototypeRows:
        """Return the rows with their groups of equal rows."""
        _, groups = np.unique(rows.z_scores, axis=0, return_inverse=True)
        return cls(rows, groups.ravel(), rows.coder.cleaner.kept_names, with_fields, label)

    def codebook(self, category: int, level: int, size: int) -> tuple[Prototype, ...]:
        """Return the prototypes of the K codes of a codebook; a code without a row has an empty one."""
        rows = self.rows
        columns = np.array(rows.spec.groups[category])
        coarser = rows.decoded[level - 1][:, columns] if level else np.zeros((len(rows), len(columns)))
        added = (rows.decoded[level][:, columns] - coarser).astype(np.float64)
        remaining = (rows.z_scores[:, columns] - coarser).astype(np.float64)
        mean = added.mean(0)
        names = [self.names[j] for j in columns]
        tokens = rows.tokens[:, category, level]
        prototypes = []
        for code in range(size):
            members = np.flatnonzero(tokens == code)
            if len(members) == 0:
                prototypes.append(Prototype(0))
                continue
            center = added[members].mean(0)
            raised, lowered = _largest_effects(center - mean, names)
            distances = np.sqrt(np.square(remaining[members] - center).mean(1))
            nearest, pictured = self._nearest(members, distances)
            prototypes.append(Prototype(len(members), raised, lowered, nearest, pictured, *self._majority(members)))
        return tuple(prototypes)

    def _majority(self, members: Integers) -> tuple[str, float]:
        """Return the most frequent class of some rows, and its fraction."""
        if self.label is None:
            return "", 0.0
        codes = self.label.codes[members]
        codes = codes[codes != MISSING]
        if len(codes) == 0:
            return "", 0.0
        counts = np.bincount(codes)
        return self.label.classes[int(counts.argmax())], float(counts.max() / len(codes))

    def _nearest(self, members: Integers, distances: Floats) -> tuple[tuple[NearestRow, ...], tuple[int, ...]]:
        """Return the nearest distinct rows of a code, and the nearest operators whose fields are in the file."""
        order = np.argsort(distances, kind="stable")
        _, first, counts = np.unique(self.groups[members[order]], return_index=True, return_counts=True)
        rank = np.argsort(first, kind="stable")
        distinct, copies = order[first[rank]], counts[rank] - 1
        rows = self.rows
        nearest = tuple(
            NearestRow(
                int(rows.positions[members[i]]), int(rows.operators[members[i]]), float(distances[i]), int(number)
            )
            for i, number in zip(distinct[:NEAREST], copies[:NEAREST], strict=True)
        )
        operators = dict.fromkeys(rows.operators[members[distinct]].tolist()) if self.with_fields else {}
        pictured = [operator for operator in operators if operator in self.with_fields]
        return nearest, tuple(pictured[:PICTURED])


def _largest_effects(effect: Floats, names: list[str]) -> tuple[Any, Any]:
    """Return the features with the largest positive effects, and those with the largest negative ones."""
    order = np.argsort(-effect, kind="stable")
    raised = [(names[j], float(effect[j])) for j in order[:MAX_FEATURES] if effect[j] >= MIN_EFFECT]
    lowered = [(names[j], float(effect[j])) for j in order[::-1][:MAX_FEATURES] if effect[j] <= -MIN_EFFECT]
    return tuple(raised), tuple(lowered)
