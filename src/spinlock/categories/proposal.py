"""Candidate partitions of the columns that are discovered, read from a mapping file, or both.

Letters: ``D`` kept columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.categories import Discovery, load_mapping, name_categories
from spinlock.categories.candidates import Candidate, DiscoveryLimits
from spinlock.categories.discovery import Score, choose
from spinlock.categories.row_search import find_candidates_of_rows
from spinlock.config import CategorySettings
from spinlock.errors import DataError
from spinlock.io.names import join_names


@dataclass(frozen=True)
class Categorization:
    """A chosen partition of the kept columns.

    ``names`` and ``groups`` are the names of the categories and the indices of their columns, in descending order of
    size. ``discovery`` contains the scores of all candidates, and ``notes`` remarks on the mapping file.
    """

    names: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    discovery: Discovery
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Candidate partitions. They do not depend on the rate at which they will be compared."""

    candidates: tuple[Candidate, ...]
    target: float
    column_names: tuple[str, ...]
    fixed_names: tuple[str, ...]
    notes: tuple[str, ...]

    def choose(self, score: Score) -> Categorization:
        """Choose the partition with the best quality on held-out rows, and name its categories."""
        discovery = choose(self.candidates, self.target, score)
        labels = discovery.chosen.labels
        names = name_categories(labels, self.column_names, self.fixed_names)
        groups = [tuple(np.flatnonzero(labels == c).tolist()) for c in range(len(names))]
        order = sorted(range(len(names)), key=lambda c: -len(groups[c]))
        return Categorization(tuple(names[c] for c in order), tuple(groups[c] for c in order), discovery, self.notes)


@dataclass(frozen=True)
class _FixedCategories:
    """Categories of a mapping file: labels [D] (-1 for columns that it does not assign), names and notes."""

    labels: NDArray[np.int64] | None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def propose(
    settings: CategorySettings, rows: NDArray[np.floating], kept: Sequence[int], names: Sequence[str]
) -> Proposal:
    """Return candidate partitions that assign every kept column to one category.

    Parameters
    ----------
    settings
        Mapping file, target and limits.
    rows
        Training rows [n, D] of the kept columns, z-scored and clipped.
    kept
        Indices [D] of the kept columns in ``names``.
    names
        Names of all columns of the file.

    Returns
    -------
    Proposal

    Raises
    ------
    DataError
        The mapping file is wrong, or no partition has the configured number of categories.
    """
    limits = DiscoveryLimits(
        target=settings.orthogonality_target,
        min_features=settings.min_features_per_category,
        max_clusters=settings.max_clusters,
        count=settings.num_categories_auto,
    )
    fixed = _read_fixed(settings, kept, names)
    candidates = find_candidates_of_rows(rows, limits, fixed_labels=fixed.labels)
    return Proposal(candidates, limits.target, tuple(names[j] for j in kept), fixed.names, fixed.notes)


def _read_fixed(settings: CategorySettings, kept: Sequence[int], names: Sequence[str]) -> _FixedCategories:
    """Read the mapping file, if there is one."""
    path = settings.category_mapping_file
    if path is None:
        return _FixedCategories(None)
    position = {column: index for index, column in enumerate(kept)}
    labels = np.full(len(kept), -1, dtype=np.int64)
    fixed_names: list[str] = []
    notes: list[str] = []
    for name, columns in load_mapping(path, names).items():
        members = [position[column] for column in columns if column in position]
        dropped = len(columns) - len(members)
        if dropped:
            notes.append(f"category {name}: {dropped} of {len(columns)} columns were dropped by the cleaning")
        if members:
            labels[members] = len(fixed_names)
            fixed_names.append(name)
    free = np.flatnonzero(labels < 0)
    if not settings.discovers_categories and free.size:
        raise DataError(
            f"{free.size} columns are in no category: {join_names([names[kept[j]] for j in free.tolist()])}",
            where=str(path),
            expected="a category for every column that the cleaning keeps",
            remedy="add them, or set category_assignment to hybrid",
        )
    return _FixedCategories(labels, tuple(fixed_names), tuple(notes))
