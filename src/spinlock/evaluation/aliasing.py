"""The section *aliasing*: different rows with the same tokens.

Letters: ``m`` rows, ``U`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.evaluation.rows import EvaluatedRows, Rows, Tokens
from spinlock.metrics.neighbors import squared_distances
from spinlock.model import LEVELS

MAX_GROUPS, MAX_MEMBERS = 30, 200
"""Maximum number of groups that are listed, and of rows of a group whose distances are measured."""

RANDOM_PAIRS = 5000
"""Number of random pairs of rows for the typical distance."""


@dataclass(frozen=True)
class AliasedGroup:
    """Different rows that share all tokens.

    Attributes
    ----------
    num_rows
        Number of rows.
    rows
        Positions of the first eight of them in the table.
    largest_distance
        Largest root mean square difference of two of the first 200 of them, in standard deviations.
    """

    num_rows: int
    rows: tuple[int, ...]
    largest_distance: float


@dataclass(frozen=True)
class Aliasing:
    """Uniqueness of tokens.

    Attributes
    ----------
    num_copied_rows
        Number of rows whose features equal those of another evaluated row. Such rows have the same tokens.
    unique_rows
        Fraction of the rows whose features no other row has.
    unique_by_level
        Fraction of the rows whose tokens no other row has, for the first one, two and three levels of all categories.
    unique_by_category
        The same for the tokens of one category alone.
    num_aliased_rows
        Rows that share all tokens with a row of other features.
    num_groups, groups
        Number of groups of different rows that share all tokens, and the 30 groups with the largest distances.
    typical_distance
        Median root mean square difference of two random rows, in standard deviations; None for fewer than two rows.
    """

    num_copied_rows: int
    unique_rows: float
    unique_by_level: tuple[float, ...]
    unique_by_category: dict[str, tuple[float, ...]]
    num_aliased_rows: int
    num_groups: int
    groups: tuple[AliasedGroup, ...]
    typical_distance: float | None


def measure_aliasing(rows: EvaluatedRows, seed: int) -> Aliasing:
    """Find rows that share tokens.

    Parameters
    ----------
    rows
        Evaluated rows.
    seed
        Seed of the random pairs.

    Returns
    -------
    Aliasing
    """
    tokens = rows.tokens
    features, occurrences = _codes(rows.z_scores.view(np.int32))
    groups = _aliased_groups(rows, features)
    listed = sorted(groups, key=lambda group: -group.largest_distance)[:MAX_GROUPS]
    return Aliasing(
        num_copied_rows=int((occurrences[features] > 1).sum()),
        unique_rows=float((occurrences[features] == 1).mean()),
        unique_by_level=tuple(unique_fraction(tokens[..., : level + 1]) for level in range(LEVELS)),
        unique_by_category={
            name: tuple(unique_fraction(tokens[:, c, : level + 1]) for level in range(LEVELS))
            for c, name in enumerate(rows.spec.category_names)
        },
        num_aliased_rows=sum(group.num_rows for group in groups),
        num_groups=len(groups),
        groups=tuple(listed),
        typical_distance=_typical_distance(rows.z_scores, np.random.default_rng(seed)),
    )


def unique_fraction(tokens: Tokens) -> float:
    """Return the fraction of rows of tokens [m, ...] that equal no other row."""
    codes, occurrences = _codes(tokens.reshape(len(tokens), -1))
    return float((occurrences[codes] == 1).mean())


def _codes(rows: NDArray[np.integer]) -> tuple[Tokens, Tokens]:
    """Return a number for each distinct row, [m], and how often each number occurs."""
    packed = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    _, codes, counts = np.unique(packed, return_inverse=True, return_counts=True)
    return codes, counts


def _aliased_groups(rows: EvaluatedRows, features: Tokens) -> list[AliasedGroup]:
    """Return the groups of rows that share all tokens and do not all have the same features."""
    codes, counts = _codes(rows.flat_tokens)
    order = np.argsort(codes, kind="stable")
    groups = []
    for members in np.split(order, np.cumsum(counts)[:-1]):
        if len(np.unique(features[members])) > 1:
            points = rows.z_scores[members[:MAX_MEMBERS]]
            largest = np.sqrt(squared_distances(points, points).max() / points.shape[1])
            groups.append(AliasedGroup(len(members), tuple(rows.positions[members[:8]].tolist()), float(largest)))
    return groups


def _typical_distance(z_scores: Rows, random: np.random.Generator) -> float | None:
    if len(z_scores) < 2:
        return None
    first = random.integers(len(z_scores), size=RANDOM_PAIRS)
    second = (first + random.integers(1, len(z_scores), size=RANDOM_PAIRS)) % len(z_scores)
    return float(np.median(np.sqrt(np.square(z_scores[first] - z_scores[second]).mean(1))))
